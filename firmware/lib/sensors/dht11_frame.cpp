#include "dht11_frame.h"

namespace pk {

Dht11Result decode_dht11(const uint8_t high_us[DHT11_BITS], Dht11Frame *frame)
{
    uint8_t bytes[5] = {0, 0, 0, 0, 0};
    for (uint8_t bit = 0; bit < DHT11_BITS; bit++) {
        if (high_us[bit] == 0 || high_us[bit] > DHT11_LONGEST_US) return DHT11_TIMING;
        bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] << 1 | (high_us[bit] > DHT11_ONE_ABOVE_US ? 1 : 0));
    }
    if (static_cast<uint8_t>(bytes[0] + bytes[1] + bytes[2] + bytes[3]) != bytes[4]) return DHT11_CHECKSUM;
    frame->humidity_tenths = static_cast<uint16_t>(bytes[0] * 10 + bytes[1] % 10);
    int16_t magnitude = static_cast<int16_t>((bytes[2] & 0x7F) * 10 + (bytes[3] & 0x7F) % 10);
    bool below_zero = ((bytes[2] | bytes[3]) & 0x80) != 0;  // newer parts mark frost in the tenths' top bit
    frame->temperature_tenths = static_cast<int16_t>(below_zero ? -magnitude : magnitude);
    const bool plausible = frame->humidity_tenths <= 1000 && frame->temperature_tenths >= DHT11_COLDEST_TENTHS &&
                           frame->temperature_tenths <= DHT11_HOTTEST_TENTHS;
    return plausible ? DHT11_OK : DHT11_RANGE;
}

}  // namespace pk
