// SI1145 ambient light sensor: visible count.
// Ref: Si1145/46/47 data sheet, sections 4 (operation) and 5.3 (command protocol).
#pragma once
#include <stdint.h>

namespace si1145 {

enum Result { OK, SILENT, TIMED_OUT };

// Resets the chip and lets it measure visible light.
Result begin();
// Forces one measurement and reads its visible count.
Result read_visible(uint16_t *count);

}  // namespace si1145
