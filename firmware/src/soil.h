// Soil probe on the ADC.
#pragma once
#include <stdint.h>

namespace soil {

void begin();
// Median of five samples, 0–1023. False where the probe is unplugged (its pull-down reads 0).
bool read(uint16_t *adc_code);

}  // namespace soil
