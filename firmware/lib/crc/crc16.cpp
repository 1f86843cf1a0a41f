#include "crc16.h"

namespace pk {

uint16_t crc16(const uint8_t *data, uint16_t length)
{
    uint16_t crc = 0xFFFF;
    while (length--) {
        crc = static_cast<uint16_t>(crc ^ (static_cast<uint16_t>(*data++) << 8));
        for (uint8_t bit = 0; bit < 8; bit++)
            crc = static_cast<uint16_t>((crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

}  // namespace pk
