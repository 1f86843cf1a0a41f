#include "soil.h"

#include "adc.h"
#include "scales.h"

namespace soil {
namespace {

const uint8_t SAMPLES = 5;
const uint16_t OPEN_BELOW = 16;

}  // namespace

void begin() { adc::begin(); }

bool read(uint16_t *adc_code)
{
    uint16_t samples[SAMPLES];
    adc::switch_on();
    adc::convert();  // the first one after switching on settles
    for (uint8_t i = 0; i < SAMPLES; i++) samples[i] = adc::convert();
    adc::switch_off();
    *adc_code = pk::median(samples, SAMPLES);
    return *adc_code >= OPEN_BELOW;
}

}  // namespace soil
