// PlantKeeper: takes a reading every period, posts it, sleeps.
#include <Arduino.h>
#include <avr/interrupt.h>

#include "clock.h"
#include "events.h"
#include "pins.h"
#include "poster.h"
#include "queue.h"
#include "sampler.h"
#include "storage.h"
#include "w5500.h"

#ifndef PK_GIT_HASH
#define PK_GIT_HASH "nogit"
#endif

namespace {

const uint16_t FIRST_READING_MS = 2000;  // the DHT11 needs a second after power-up
const uint8_t ATTEMPTS_A_ROUND = 3;
const uint16_t RETRY_MS = 1000;  // doubled with each attempt of a round
const uint8_t AGE_FROM_S = 10;   // younger readings carry no age

pk::Config config;
pk::ReadingQueue queue;
bool configured, round_open;
uint8_t reset_cause __attribute__((section(".noinit")));
uint32_t boot, seq, next_reading_tick;
uint8_t round_attempts;
clock::Counts retry_at;

// MCUSR tells why the board started; it is kept before anything can clear it (DS40002061B section 11.9.1).
void keep_reset_cause() __attribute__((naked, used, section(".init3")));
void keep_reset_cause()
{
    reset_cause = MCUSR;
    MCUSR = 0;
}

void led(bool on)
{
    if (on)
        LED_PORT |= _BV(LED_BIT);
    else
        LED_PORT &= static_cast<uint8_t>(~_BV(LED_BIT));
}

void say_boot()
{
    events::Line line(PSTR("boot"));
    line.field(PSTR("id")).out().signed_number(configured ? config.id : 0);
    line.number(PSTR("boot"), boot);
    line.field(PSTR("cause")).out().flash(PSTR("0x")).hex8(reset_cause);
    line.text(PSTR("fw"), PSTR(PK_VERSION "+" PK_GIT_HASH));
}

void say_dropped(const pk::Reading &reading, const char *flash_reason, uint16_t status)
{
    events::Line(PSTR("dropped"))
        .key(boot, reading.seq)
        .text(PSTR("reason"), flash_reason)
        .number(PSTR("status"), status);
}

void take_reading()
{
    pk::Reading reading = {0, clock::ticks(), 0, 0, 0, 0};
    if (!sampler::take(&reading)) return;
    reading.seq = ++seq;
    {
        events::Line line(PSTR("taken"));
        line.key(boot, reading.seq).field(PSTR("temperature")).out().tenths(reading.temperature_tenths);
        line.number(PSTR("humidity"), reading.humidity).number(PSTR("light"), reading.light);
    }
    pk::Reading dropped;
    if (queue.push(reading, &dropped)) say_dropped(dropped, PSTR("full"), 0);
    round_open = true;
    round_attempts = 0;
    retry_at = clock::now();
}

// The oldest reading's fate after an attempt.
void settle(const poster::Attempt &attempt)
{
    pk::Reading &reading = queue.oldest();
    if (attempt.outcome == poster::DELIVERED) {
        events::Line(PSTR("delivered"))
            .key(boot, reading.seq)
            .number(PSTR("status"), attempt.status)
            .number(PSTR("attempts"), reading.attempts);
        queue.pop();
        round_attempts = 0;
    } else if (attempt.outcome == poster::REFUSED) {
        say_dropped(reading, poster::reason(attempt.outcome), attempt.status);
        queue.pop();
        round_attempts = 0;
    } else {
        events::Line(PSTR("undelivered"))
            .key(boot, reading.seq)
            .text(PSTR("reason"), poster::reason(attempt.outcome))
            .number(PSTR("status"), attempt.status)
            .number(PSTR("attempts"), reading.attempts);
        retry_at = clock::now() + (clock::from_ms(RETRY_MS) << round_attempts);
        round_attempts++;
        round_open = round_attempts < ATTEMPTS_A_ROUND;
    }
}

void deliver()
{
    pk::Reading &reading = queue.oldest();
    if (reading.attempts < UINT8_MAX) reading.attempts++;
    uint32_t age_s = (clock::ticks() - reading.taken_at) * clock::SECONDS_PER_TICK;
    settle(poster::post(config, boot, reading, age_s >= AGE_FROM_S ? age_s : 0));
    if (queue.empty()) round_open = false;
}

bool reading_is_due() { return configured && static_cast<int32_t>(clock::ticks() - next_reading_tick) >= 0; }

}  // namespace

void setup()
{
    clock::begin(FIRST_READING_MS);
    LED_DDR |= _BV(LED_BIT);
    Serial.begin(115200);
    configured = storage::load_config(&config);
    boot = storage::count_boot();
    next_reading_tick = 1;
    say_boot();
    if (!configured) {
        events::Line(PSTR("unconfigured"));
        led(true);
        return;
    }
    sampler::begin();
    if (!w5500::begin(config)) events::Line(PSTR("no_w5500"));
}

void loop()
{
    if (reading_is_due()) {
        next_reading_tick += config.period_s / clock::SECONDS_PER_TICK;
        led(true);
        take_reading();
    }
    while (round_open && clock::reached(retry_at)) deliver();
    led(!configured);
    if (round_open) {
        clock::sleep_ms(50);
        return;
    }
    cli();
    if (!reading_is_due()) clock::sleep_until_event();
    sei();
}
