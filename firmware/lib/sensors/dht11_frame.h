// The DHT11's 40-bit frame: humidity, humidity tenths, temperature, temperature tenths, checksum.
#pragma once
#include <stdint.h>

namespace pk {

const uint8_t DHT11_BITS = 40;
// A 0 is high for 26–28 µs, a 1 for 70 µs: the limit lies between.
const uint8_t DHT11_ONE_ABOVE_US = 48;
const uint8_t DHT11_LONGEST_US = 100;
// The widest that parts of this kind are sold for.
const int16_t DHT11_COLDEST_TENTHS = -200, DHT11_HOTTEST_TENTHS = 600;

// RANGE: whole by its checksum, but of no air that a plant lives in.
enum Dht11Result { DHT11_OK, DHT11_SILENT, DHT11_TIMING, DHT11_CHECKSUM, DHT11_RANGE };

struct Dht11Frame {
    int16_t temperature_tenths;
    uint16_t humidity_tenths;
};

// high_us: how long each bit was high.
Dht11Result decode_dht11(const uint8_t high_us[DHT11_BITS], Dht11Frame *frame);

}  // namespace pk
