// Two-wire master with a deadline on every step, so that a held bus cannot hang the board.
#pragma once
#include <stdint.h>

namespace twi {

void begin();
// Writes a register address and data. False where the chip did not acknowledge or the bus is stuck.
bool write(uint8_t chip, uint8_t reg, const uint8_t *data, uint8_t length);
bool read(uint8_t chip, uint8_t reg, uint8_t *data, uint8_t length);

}  // namespace twi
