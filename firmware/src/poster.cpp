#include "poster.h"

#include <Arduino.h>

#include "clock.h"
#include "http_answer.h"
#include "meaning.h"
#include "message.h"
#include "transport.h"

namespace poster {
namespace {

const uint16_t ANSWER_MS = 2000, CHUNK_BYTES = 32;
const uint16_t FIRST_EPHEMERAL_PORT = 49152;

// Text for the transmit buffer of the connection, in portions.
class Request : public pk::TextWriter {
public:
    Request() : length_(0) {}
    ~Request() { transport::put(portion_, length_); }

private:
    void write(char c)
    {
        portion_[length_++] = static_cast<uint8_t>(c);
        if (length_ < sizeof portion_) return;
        transport::put(portion_, length_);
        length_ = 0;
    }

    uint8_t portion_[CHUNK_BYTES], length_;
};

// A port that the last connections did not use (RFC 6335 section 6): 16 384 of them, in turn.
uint16_t source_port(uint32_t boot, uint32_t seq, uint8_t attempt)
{
    return static_cast<uint16_t>(FIRST_EPHEMERAL_PORT | ((boot * 1021 + seq * 7 + attempt) & 0x3FFF));
}

Outcome from_connection(transport::Result result)
{
    switch (result) {
    case transport::NO_LINK: return NO_LINK;
    case transport::TIMED_OUT: return TIMEOUT;
    case transport::CLOSED: return CLOSED;
    default: return CONNECT;
    }
}

Outcome by_status(uint16_t status)
{
    switch (pk::meaning_of(status)) {
    case pk::STORED: return DELIVERED;
    case pk::REFUSED: return REFUSED;
    case pk::UNAUTHORISED: return UNAUTHORISED;
    case pk::BUSY: return BUSY;
    default: return STATUS;
    }
}

// The whole answer within ANSWER_MS, however slowly it trickles in.
Attempt await_answer()
{
    pk::HttpAnswer answer;
    clock::Counts deadline = clock::now() + clock::from_ms(ANSWER_MS);
    transport::Result result = transport::OK;
    while (answer.state() == pk::HttpAnswer::HEAD || answer.state() == pk::HttpAnswer::BODY) {
        uint8_t chunk[CHUNK_BYTES];
        int32_t left = static_cast<int32_t>(deadline - clock::now());
        if (left <= 0) {
            result = transport::TIMED_OUT;
            break;
        }
        uint16_t got = transport::receive(chunk, sizeof chunk, static_cast<uint16_t>(left * 8 / 125), &result);
        if (got)
            answer.feed(chunk, got);
        else if (result == transport::CLOSED)
            answer.close();
        if (result == transport::TIMED_OUT) break;
    }
    Attempt attempt = {BROKEN, answer.status(), answer.retry_after_s()};
    if (answer.done())
        attempt.outcome = by_status(answer.status());
    else if (result == transport::TIMED_OUT)
        attempt.outcome = TIMEOUT;
    else if (result == transport::CLOSED && answer.status() == 0)
        attempt.outcome = CLOSED;
    return attempt;
}

}  // namespace

Attempt post(const pk::Config &config, const pk::Reading &reading, uint32_t age_s, uint8_t attempt_number)
{
    transport::Result result =
        transport::connect(config.gateway, config.gateway_port, source_port(reading.boot, reading.seq, attempt_number));
    Attempt attempt = {from_connection(result), 0, 0};
    if (result != transport::OK) return attempt;
    {
        Request request;
        pk::write_request(request, config, reading, age_s);
    }
    result = transport::send();
    if (result == transport::OK)
        attempt = await_answer();
    else
        attempt.outcome = from_connection(result);
    transport::disconnect();
    return attempt;
}

const char *reason(Outcome outcome)
{
    switch (outcome) {
    case REFUSED: return PSTR("refused");
    case UNAUTHORISED: return PSTR("unauthorised");
    case BUSY: return PSTR("busy");
    case NO_LINK: return PSTR("nolink");
    case NO_ADDRESS: return PSTR("noaddress");
    case CONNECT: return PSTR("connect");
    case TIMEOUT: return PSTR("timeout");
    case CLOSED: return PSTR("closed");
    case BROKEN: return PSTR("broken");
    default: return PSTR("status");
    }
}

}  // namespace poster
