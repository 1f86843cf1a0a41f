// Why the board started: MCUSR's bits (DS40002061B section 11.9.1), and what other chips say in the same words.
#pragma once
#include <stdint.h>

namespace reset_cause {

const uint8_t POWER_ON = 0x01, RESET_PIN = 0x02, BROWN_OUT = 0x04, WATCHDOG = 0x08;
// Only where the chip tells it from the pin (SAMD21): the program asked for it.
const uint8_t PROGRAM = 0x10;

// As the start found it.
extern uint8_t bits;

}  // namespace reset_cause
