// PlantKeeper: takes a reading every period, posts it, listens to the console, sleeps.
#include <Arduino.h>

#include "address.h"
#include "clock.h"
#include "console.h"
#include "events.h"
#include "identity.h"
#include "led.h"
#include "reset_cause.h"
#include "sampler.h"
#include "serial_out.h"
#include "state.h"
#include "station.h"
#include "storage.h"
#include "transport.h"
#include "watchdog.h"

namespace {

const uint8_t FLASH_MS = 30, POLL_MS = 50;
const uint8_t LONGEST_DEEP_TICKS = 3;
const uint16_t FIRST_READING_MS = 2000;  // the DHT11 needs a second after power-up
// Ticks and numbers outgrow a journal record after 776 days: the board then starts anew, under the next boot number.
const uint32_t LAST = pk::JOURNAL_END - 1000;

pk::Config config;
bool configured;
uint32_t next_reading_tick;

void say_boot(uint32_t boot)
{
    serial_out::put('\r');  // the reset may have cut a line
    serial_out::put('\n');
    events::Line line(PSTR("boot"));
    line.field(PSTR("id")).signed_number(configured ? config.id : 0);
    line.count(PSTR("boot"), boot).count(PSTR("waiting"), storage::journal().waiting());
    line.field(PSTR("cause")).flash(PSTR("0x")).hex8(reset_cause::bits);
    identity::write_version(line.field(PSTR("fw")));
}

bool reading_is_due() { return configured && static_cast<int32_t>(clock::ticks() - next_reading_tick) >= 0; }

void flash_led()
{
    led::switch_on();
    clock::sleep_ms(FLASH_MS);
    led::switch_off();
}

// Until there is something to do, at most a tick of 4 s.
void rest()
{
    static uint32_t flashed_tick;
    const bool waits = configured && station::waiting();
    const pk::State resting = configured ? waits ? pk::STATE_BACK_OFF : pk::STATE_SLEEP : pk::STATE_CONFIGURE;
    state::enter(resting);
    if (waits) {
        if (flashed_tick != clock::ticks()) flash_led();
        flashed_tick = clock::ticks();
        if (station::delivery_is_due_within(clock::SECONDS_PER_TICK)) {
            clock::sleep_ms(POLL_MS);
            return;
        }
    }
    if (address::is_busy()) {
        clock::sleep_ms(POLL_MS);
        return;
    }
    if (resting == pk::STATE_SLEEP && config.deep_sleep && console::is_quiet() &&
        next_reading_tick - clock::ticks() > LONGEST_DEEP_TICKS) {
        Serial.flush();
        if (clock::sleep_deep()) console::wake();
        return;
    }
    noInterrupts();
    if (!reading_is_due() && !console::is_waiting()) clock::sleep_until_event();
    interrupts();
}

}  // namespace

void setup()
{
    clock::begin(FIRST_READING_MS);
    Serial.begin(115200);
    watchdog::begin(reset_cause::bits);
    state::enter(pk::STATE_BOOT);
    storage::begin();
    configured = storage::load_config(&config);
    if (!configured) config = pk::default_config();
    const uint32_t boot = storage::count_boot();
    storage::journal().open(boot);
    next_reading_tick = 1;
    say_boot(boot);
    station::begin(config, boot);
    console::begin(config, configured, boot, reset_cause::bits);
    state::enter(pk::STATE_SELF_TEST);
    sampler::begin(config);
    if (!configured)
        events::Line(PSTR("unconfigured"), events::ERROR);
    else if (!transport::begin(config))
        events::Line(transport::absence(), events::ERROR);
    else
        address::begin(config, boot);
    serial_out::tend();
}

void loop()
{
    serial_out::tend();
    console::poll();
    address::poll();
    if (reading_is_due()) {
        next_reading_tick += config.period_s / clock::SECONDS_PER_TICK;
        station::take();
    }
    while (configured && station::delivery_is_due()) station::deliver();
    if (clock::ticks() >= LAST || station::counts().taken >= LAST) watchdog::restart();
    rest();
}
