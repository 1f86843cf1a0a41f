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
#include "station.h"
#include "storage.h"
#include "w5500.h"
#include "watchdog.h"

namespace {

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

void led(bool on)
{
    if (on)
        LED_PORT |= _BV(LED_BIT);
    else
        LED_PORT &= static_cast<uint8_t>(~_BV(LED_BIT));
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

}  // namespace

void setup()
{
    clock::begin(FIRST_READING_MS);
    LED_DDR |= _BV(LED_BIT);
    Serial.begin(115200);
    configured = storage::load_config(&config);
    if (!configured) config = pk::default_config();
    const uint32_t boot = storage::count_boot();
    storage::journal().open(boot);
    next_reading_tick = 1;
    say_boot(boot);
    station::begin(config, boot);
    console::begin(config, configured, boot);
    sampler::begin();
    if (!configured)
        events::Line(PSTR("unconfigured"));
    else if (!w5500::begin(config))
        events::Line(PSTR("no_w5500"));
}

void loop()
{
    console::poll();
    if (reading_is_due()) {
        next_reading_tick += config.period_s / clock::SECONDS_PER_TICK;
        led(true);
        station::take();
    }
    station::deliver_due();
    if (clock::ticks() >= LAST || station::counts().taken >= LAST) watchdog::restart();
    led(!configured);
    if (station::round_open()) {
        clock::sleep_ms(50);
        return;
    }
    cli();
    if (!reading_is_due() && !console::is_waiting()) clock::sleep_until_event();
    sei();
}
