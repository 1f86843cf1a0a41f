#include "dht11.h"

#include <avr/io.h>

#include "clock.h"
#include "pins.h"

namespace dht11 {
namespace {

const uint16_t START_MS = 20;   // at least 18
const uint16_t REST_MS = 1000;  // after power-up, and between two readings
const uint8_t LONGEST_US = 120;

clock::Counts rested_at;

void rest()
{
    const int32_t left = static_cast<int32_t>(rested_at - clock::now());
    if (left > 0) clock::sleep_ms(static_cast<uint16_t>(left * 8 / 125 + 1));
}

// Timer 0 as a stopwatch of 0.5 µs a count.
void start_stopwatch() { TCCR0A = 0, TCCR0B = _BV(CS01); }
void stop_stopwatch() { TCCR0B = 0; }

// How long the wire stays at this level, in µs; 0 where it stays longer than any pulse of the sensor.
uint8_t pulse_us(bool high)
{
    const uint8_t level = high ? _BV(DHT11_BIT) : 0;
    TCNT0 = 0;
    while ((DHT11_PIN & _BV(DHT11_BIT)) == level)
        if (TCNT0 >= 2 * LONGEST_US) return 0;
    uint8_t us = TCNT0 / 2;
    return us ? us : 1;
}

void release() { DHT11_DDR &= static_cast<uint8_t>(~_BV(DHT11_BIT)), DHT11_PORT |= _BV(DHT11_BIT); }

pk::Dht11Result receive(uint8_t high_us[pk::DHT11_BITS])
{
    if (!pulse_us(true) || !pulse_us(false) || !pulse_us(true)) return pk::DHT11_SILENT;
    for (uint8_t bit = 0; bit < pk::DHT11_BITS; bit++) {
        if (!pulse_us(false)) return pk::DHT11_TIMING;
        high_us[bit] = pulse_us(true);
        if (!high_us[bit]) return pk::DHT11_TIMING;
    }
    return pk::DHT11_OK;
}

}  // namespace

void begin()
{
    release();
    rested_at = clock::now() + clock::from_ms(REST_MS);
}

pk::Dht11Result read(pk::Dht11Frame *frame)
{
    uint8_t high_us[pk::DHT11_BITS];
    rest();
    DHT11_PORT &= static_cast<uint8_t>(~_BV(DHT11_BIT));
    DHT11_DDR |= _BV(DHT11_BIT);
    clock::sleep_ms(START_MS);
    start_stopwatch();
    release();
    clock::wait_us(2);  // the pull-up needs a moment
    pk::Dht11Result result = receive(high_us);
    stop_stopwatch();
    rested_at = clock::now() + clock::from_ms(REST_MS);
    return result == pk::DHT11_OK ? pk::decode_dht11(high_us, frame) : result;
}

}  // namespace dht11
