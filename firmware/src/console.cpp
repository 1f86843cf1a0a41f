#include "console.h"

#include <Arduino.h>

#include "address.h"
#include "clock.h"
#include "credentials.h"
#include "events.h"
#include "identity.h"
#include "line_reader.h"
#include "message.h"
#include "sampler.h"
#include "serial_out.h"
#include "settings.h"
#include "state.h"
#include "station.h"
#include "storage.h"
#include "transport.h"
#include "watchdog.h"

namespace console {
namespace {

const uint8_t TEST_NETWORK = 0x08;  // beside the sensors' bits, which sampler::test gives
// SCPI's "not a number" (volume 1, section 7.2.1.5): a sensor failed
const char NOT_A_NUMBER[] PROGMEM = "9.91E37,9.91E37,9.91E37";

const uint8_t QUIET_TICKS = 150;

uint32_t heard_tick;
pk::LineReader reader;
pk::ErrorQueue errors;
pk::Config staged;
bool is_configured;
uint32_t boot;
uint8_t cause;

// A reply, sent as it is written, and its end where anything was: what may say an event comes before its first character.
class Reply : public pk::TextWriter {
public:
    Reply() : begun_(false) {}
    ~Reply()
    {
        if (begun_) put('\r').put('\n');
    }

private:
    void write(char c)
    {
        begun_ = true;
        serial_out::put(c);
    }

    bool begun_;
};

void self_test(pk::TextWriter &reply)
{
    uint8_t failed = sampler::test();
    if (is_configured && !transport::is_present()) failed |= TEST_NETWORK;
    if (failed) errors.push(pk::ERROR_SELF_TEST);
    reply.number(failed);
}

void measure(pk::TextWriter &reply)
{
    pk::Reading reading;
    if (!sampler::take(&reading)) {
        errors.push(pk::ERROR_HARDWARE);
        reply.flash(NOT_A_NUMBER);
        return;
    }
    reply.tenths(reading.temperature_tenths).put(',').number(reading.humidity).put(',').number(reading.light);
}

void post(pk::TextWriter &reply)
{
    uint32_t seq;
    uint16_t status;
    if (!is_configured) {
        errors.push(pk::ERROR_SETTINGS_CONFLICT);
        reply.flash(PSTR("0-0,0"));
    } else if (!station::post_now(&seq, &status)) {
        errors.push(pk::ERROR_HARDWARE);
        reply.flash(PSTR("0-0,0"));
    } else {
        pk::write_key(reply, boot, seq);
        reply.put(',').number(status);
    }
}

void tell_state(pk::TextWriter &reply)
{
    const station::Counts &counts = station::counts();
    reply.number(boot).put(',').number(counts.taken).put(',').number(counts.delivered).put(',').number(counts.dropped);
    reply.put(',').number(station::waiting()).put(',').number(clock::ticks() * clock::SECONDS_PER_TICK);
    reply.put(',').text(pk::state_row(state::current()).name).put(',').number(cause).put(',').number(watchdog::hangs());
    address::write_state(reply.put(','));
}

pk::Error save()
{
    if (!pk::is_usable(staged) || !credentials::are_usable()) return pk::ERROR_SETTINGS_CONFLICT;
    credentials::save();
    return storage::save_config(staged) ? pk::ERROR_NONE : pk::ERROR_STORAGE;
}

pk::Error carry_out(const pk::Line &line, pk::TextWriter &reply)
{
    if (line.header >= pk::HEADER_ID && line.header <= pk::HEADER_KEY) return pk::configure(line, &staged, reply);
    if (*line.parameters) return pk::ERROR_PARAMETER_NOT_ALLOWED;
    switch (line.header) {
    case pk::HEADER_IDN: identity::write(reply, is_configured ? staged.id : 0); break;
    case pk::HEADER_RST: watchdog::restart(); break;
    case pk::HEADER_TST: self_test(reply); break;
    case pk::HEADER_CLS: errors.clear(); break;
    case pk::HEADER_ERROR:
    case pk::HEADER_ERROR_NEXT: pk::write_error(reply, errors.pop()); break;
    case pk::HEADER_READ: measure(reply); break;
    case pk::HEADER_POST: post(reply); break;
    case pk::HEADER_STAT: tell_state(reply); break;
    case pk::HEADER_LOG_ERROR:
    case pk::HEADER_LOG_WARNING:
    case pk::HEADER_LOG_INFO:
    case pk::HEADER_LOG_DEBUG: events::level = static_cast<events::Level>(line.header - pk::HEADER_LOG_ERROR); break;
    case pk::HEADER_SAVE: return save();
    case pk::HEADER_LOAD_DEFAULT: staged = pk::default_config(), credentials::forget(); break;
    default: break;
    }
    return pk::ERROR_NONE;
}

void execute(const char *text)
{
    Reply reply;
    const pk::Line line = pk::parse_line(text, pk::CONSOLE_HEADERS, pk::HEADER_UNDEFINED);
    const pk::Error error =
        line.header == pk::HEADER_UNDEFINED ? credentials::carry_out(text, reply) : carry_out(line, reply);
    if (error != pk::ERROR_NONE) errors.push(error);
}

}  // namespace

void begin(const pk::Config &config, bool configured, uint32_t boot_number, uint8_t reset_cause)
{
    staged = config;
    is_configured = configured;
    boot = boot_number;
    cause = reset_cause;
}

#ifdef PK_SERIAL_TRANSPORT
bool is_waiting() { return tunnel::text_waits(); }
static char next() { return tunnel::next_text(); }
#else
bool is_waiting() { return Serial.available() > 0; }
static char next() { return static_cast<char>(Serial.read()); }
#endif

bool is_quiet() { return clock::ticks() - heard_tick >= QUIET_TICKS; }

void wake() { heard_tick = clock::ticks(); }

void poll()
{
    while (is_waiting()) {
        wake();
        switch (reader.feed(next())) {
        case pk::LineReader::COMPLETE: execute(reader.text()); break;
        case pk::LineReader::OVERRUN: errors.push(pk::ERROR_INPUT_OVERRUN); break;
        default: break;
        }
    }
}

}  // namespace console
