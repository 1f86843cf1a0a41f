// The DHT11's wire, and the core's microseconds as a stopwatch. An interrupt lengthens a pulse by some 5 µs, where 0 and 1 are
// 45 µs apart.
#pragma once
#include "open_drain.h"

namespace dht11_wire {

const uint8_t LONGEST_US = 120;

inline void release() { open_drain::release(pins::DHT11); }
inline void pull_down() { open_drain::pull_down(pins::DHT11); }
inline void start_stopwatch() {}
inline void stop_stopwatch() {}

// How long the wire stays at this level, in µs; 0 where it stays longer than any pulse of the sensor.
inline uint8_t pulse_us(bool high)
{
    const uint32_t from = micros();
    uint32_t us = 0;
    while (open_drain::is_high(pins::DHT11) == high) {
        us = micros() - from;
        if (us >= LONGEST_US) return 0;
    }
    return us ? static_cast<uint8_t>(us) : 1;
}

}  // namespace dht11_wire
