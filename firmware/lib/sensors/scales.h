// From raw codes to what is sent (docs/architecture.md section 5): linear, rounded half up, clamped.
#pragma once
#include <stdint.h>

namespace pk {

// A sensor's calibration: the codes at which the scale begins and ends, in either order.
struct Scale {
    uint16_t zero, full;
};

const Scale SOIL_SCALE = {1023, 700}, LIGHT_SCALE = {160, 800};  // dry and wet; dark and bright
const uint8_t HUMIDITY_FULL = 100;
const uint16_t LIGHT_FULL = 2000;

// 0 at zero and beyond, `most` at full and beyond. The two codes must differ.
uint16_t scaled(uint16_t code, const Scale &scale, uint16_t most);
// Sorts the samples and returns the middle one.
uint16_t median(uint16_t *samples, uint8_t count);

}  // namespace pk
