// From raw codes to what is sent (docs/architecture.md section 5): linear, rounded half up, clamped.
#pragma once
#include <stdint.h>

namespace pk {

uint8_t humidity_percent(uint16_t adc_code);  // 1023 dry → 0, 700 wet → 100
uint16_t light_level(uint16_t visible_count);  // 160 → 0, 800 → 2000
// Sorts the samples and returns the middle one.
uint16_t median(uint16_t *samples, uint8_t count);

}  // namespace pk
