// The core's microseconds, made long enough: they wrap after 71 minutes. Their source is the board's 32 kHz crystal.
#include "clock.h"

#include <Arduino.h>

#include "serial_out.h"

namespace clock {
namespace {

const uint64_t US_PER_COUNT = 64, US_PER_TICK = US_PER_COUNT * COUNTS_PER_TICK;

uint64_t total_us;
uint32_t seen_us;

uint64_t elapsed_us()
{
    const uint32_t now_us = micros();
    total_us += static_cast<uint32_t>(now_us - seen_us);
    seen_us = now_us;
    return total_us;
}

// Wakes at the latest with the core's next millisecond.
void doze() { __WFI(); }

}  // namespace

void begin(uint16_t first_tick_ms)
{
    seen_us = micros();
    total_us = US_PER_TICK - first_tick_ms * 1000ULL;
}

Counts now() { return static_cast<Counts>(elapsed_us() / US_PER_COUNT); }

// As on the ATmega, the first tick ends the time that begin() set.
uint32_t ticks() { return static_cast<uint32_t>(elapsed_us() / US_PER_TICK); }

void sleep_until_event()
{
    const uint32_t before = ticks();
    interrupts();
    while (ticks() == before && Serial.available() <= 0 && !serial_out::is_due()) doze();
}

bool sleep_deep()
{
    sleep_until_event();
    return false;
}

void sleep_ms(uint16_t ms)
{
    const Counts deadline = now() + from_ms(ms);
    while (!reached(deadline)) doze();
}

void wait_us(uint16_t us) { delayMicroseconds(us); }

}  // namespace clock
