// CRC-16/CCITT-FALSE: polynomial 0x1021, initial value 0xFFFF; check value of "123456789" is 0x29B1.
#pragma once
#include <stdint.h>

namespace pk {

uint16_t crc16(const uint8_t *data, uint16_t length);

}  // namespace pk
