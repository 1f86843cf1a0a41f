// The DHT11's wire, and Timer 0 as a stopwatch of 0.5 µs a count.
#pragma once
#include <avr/io.h>
#include <stdint.h>

#include "pins.h"

namespace dht11_wire {

const uint8_t LONGEST_US = 120;

inline void release() { DHT11_DDR &= static_cast<uint8_t>(~_BV(DHT11_BIT)), DHT11_PORT |= _BV(DHT11_BIT); }

inline void pull_down()
{
    DHT11_PORT &= static_cast<uint8_t>(~_BV(DHT11_BIT));
    DHT11_DDR |= _BV(DHT11_BIT);
}

inline void start_stopwatch() { TCCR0A = 0, TCCR0B = _BV(CS01); }
inline void stop_stopwatch() { TCCR0B = 0; }

// How long the wire stays at this level, in µs; 0 where it stays longer than any pulse of the sensor.
inline uint8_t pulse_us(bool high)
{
    const uint8_t level = high ? _BV(DHT11_BIT) : 0;
    TCNT0 = 0;
    while ((DHT11_PIN & _BV(DHT11_BIT)) == level)
        if (TCNT0 >= 2 * LONGEST_US) return 0;
    uint8_t us = TCNT0 / 2;
    return us ? us : 1;
}

}  // namespace dht11_wire
