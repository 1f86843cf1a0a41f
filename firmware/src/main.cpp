// PlantKeeper: takes a reading every period, posts it, listens to the console, sleeps.
#include <Arduino.h>
#include <avr/interrupt.h>
#include <avr/wdt.h>

#include "clock.h"
#include "console.h"
#include "events.h"
#include "identity.h"
#include "pins.h"
#include "sampler.h"
#include "state.h"
#include "station.h"
#include "storage.h"
#include "transport.h"
#include "watchdog.h"

namespace {

const uint8_t FLASH_MS = 30, POLL_MS = 50;
const uint16_t FIRST_READING_MS = 2000;  // the DHT11 needs a second after power-up
// Ticks and numbers outgrow a journal record after 776 days: the board then starts anew, under the next boot number.
const uint32_t LAST = pk::JOURNAL_END - 1000;

pk::Config config;
bool configured;
uint8_t reset_cause __attribute__((section(".noinit")));
uint32_t next_reading_tick;

// MCUSR tells why the board started; it is kept before anything can clear it (DS40002061B section 11.9.1).
// After a watchdog reset the watchdog runs on, at its shortest, until it is stopped (section 11.8.2).
void keep_reset_cause() __attribute__((naked, used, section(".init3")));
void keep_reset_cause()
{
    reset_cause = MCUSR;
    MCUSR = 0;
    wdt_disable();
}

void say_boot(uint32_t boot)
{
    Serial.write(reinterpret_cast<const uint8_t *>("\r\n"), 2);  // the reset may have cut a line
    events::Line line(PSTR("boot"));
    line.field(PSTR("id")).signed_number(configured ? config.id : 0);
    line.count(PSTR("boot"), boot).count(PSTR("waiting"), storage::journal().waiting());
    line.field(PSTR("cause")).flash(PSTR("0x")).hex8(reset_cause);
    identity::write_version(line.field(PSTR("fw")));
}

bool reading_is_due() { return configured && static_cast<int32_t>(clock::ticks() - next_reading_tick) >= 0; }

void flash_led()
{
    LED_PORT |= _BV(LED_BIT);
    clock::sleep_ms(FLASH_MS);
    LED_PORT &= static_cast<uint8_t>(~_BV(LED_BIT));
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
    cli();
    if (!reading_is_due() && !console::is_waiting()) clock::sleep_until_event();
    sei();
}

}  // namespace

void setup()
{
    clock::begin(FIRST_READING_MS);
    Serial.begin(115200);
    watchdog::begin(reset_cause);
    state::enter(pk::STATE_BOOT);
    configured = storage::load_config(&config);
    if (!configured) config = pk::default_config();
    const uint32_t boot = storage::count_boot();
    storage::journal().open(boot);
    next_reading_tick = 1;
    say_boot(boot);
    station::begin(config, boot);
    console::begin(config, configured, boot, reset_cause);
    state::enter(pk::STATE_SELF_TEST);
    sampler::begin(config);
    if (!configured)
        events::Line(PSTR("unconfigured"));
    else if (!transport::begin(config))
        events::Line(PSTR("no_w5500"));
}

void loop()
{
    console::poll();
    if (reading_is_due()) {
        next_reading_tick += config.period_s / clock::SECONDS_PER_TICK;
        station::take();
    }
    while (configured && station::delivery_is_due()) station::deliver();
    if (clock::ticks() >= LAST || station::counts().taken >= LAST) watchdog::restart();
    rest();
}
