// The only clock: 64 µs a count, 4 s a tick.
#pragma once
#include <stdint.h>

namespace clock {

const uint16_t COUNTS_PER_TICK = 62500;
const uint8_t SECONDS_PER_TICK = 4;

// Counts of 64 µs since boot; wraps after 76 hours, so compare differences only.
typedef uint32_t Counts;

constexpr Counts from_ms(uint32_t ms) { return ms * 125 / 8; }

// The first tick comes `first_tick_ms` after this.
void begin(uint16_t first_tick_ms);
Counts now();
uint32_t ticks();
inline bool reached(Counts deadline) { return static_cast<int32_t>(now() - deadline) >= 0; }
// Sleeps in idle until an interrupt: the next tick, a character, or `wake_at`.
void sleep_until_event();
void sleep_ms(uint16_t ms);
// Sleeps for one period of the watchdog, 7 to 10 s, as deep as the chip can; nothing but time goes on meanwhile. True where
// somebody sent on the serial line, of which the first characters are lost. Nothing may be under way on that line.
bool sleep_deep();
// Busy wait for pulses too short to sleep through.
void wait_us(uint16_t us);

}  // namespace clock
