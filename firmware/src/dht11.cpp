#include "dht11.h"

#include "clock.h"
#include "dht11_wire.h"

namespace dht11 {
namespace {

const uint16_t START_MS = 20;   // at least 18
const uint16_t REST_MS = 1000;  // after power-up, and between two readings

clock::Counts rested_at;

void rest()
{
    const int32_t left = static_cast<int32_t>(rested_at - clock::now());
    if (left > 0) clock::sleep_ms(static_cast<uint16_t>(left * 8 / 125 + 1));
}

pk::Dht11Result receive(uint8_t high_us[pk::DHT11_BITS])
{
    if (!dht11_wire::pulse_us(true) || !dht11_wire::pulse_us(false) || !dht11_wire::pulse_us(true)) return pk::DHT11_SILENT;
    for (uint8_t bit = 0; bit < pk::DHT11_BITS; bit++) {
        if (!dht11_wire::pulse_us(false)) return pk::DHT11_TIMING;
        high_us[bit] = dht11_wire::pulse_us(true);
        if (!high_us[bit]) return pk::DHT11_TIMING;
    }
    return pk::DHT11_OK;
}

}  // namespace

void begin()
{
    dht11_wire::release();
    rested_at = clock::now() + clock::from_ms(REST_MS);
}

pk::Dht11Result read(pk::Dht11Frame *frame)
{
    uint8_t high_us[pk::DHT11_BITS];
    rest();
    dht11_wire::pull_down();
    clock::sleep_ms(START_MS);
    dht11_wire::start_stopwatch();
    dht11_wire::release();
    clock::wait_us(2);  // the pull-up needs a moment
    pk::Dht11Result result = receive(high_us);
    dht11_wire::stop_stopwatch();
    rested_at = clock::now() + clock::from_ms(REST_MS);
    return result == pk::DHT11_OK ? pk::decode_dht11(high_us, frame) : result;
}

}  // namespace dht11
