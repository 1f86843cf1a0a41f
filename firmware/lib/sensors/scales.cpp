#include "scales.h"

namespace pk {
namespace {

const uint16_t ADC_DRY = 1023, ADC_WET = 700;
const uint16_t COUNT_DARK = 160, COUNT_BRIGHT = 800, LIGHT_FULL = 2000;

uint16_t scale(uint32_t above, uint32_t span, uint32_t full)
{
    if (above >= span) return static_cast<uint16_t>(full);
    return static_cast<uint16_t>((2 * above * full + span) / (2 * span));
}

}  // namespace

uint8_t humidity_percent(uint16_t adc_code)
{
    if (adc_code >= ADC_DRY) return 0;
    return static_cast<uint8_t>(scale(ADC_DRY - adc_code, ADC_DRY - ADC_WET, 100));
}

uint16_t light_level(uint16_t visible_count)
{
    if (visible_count <= COUNT_DARK) return 0;
    return scale(visible_count - COUNT_DARK, COUNT_BRIGHT - COUNT_DARK, LIGHT_FULL);
}

uint16_t median(uint16_t *samples, uint8_t count)
{
    for (uint8_t i = 1; i < count; i++) {
        uint16_t value = samples[i];
        uint8_t at = i;
        for (; at > 0 && samples[at - 1] > value; at--) samples[at] = samples[at - 1];
        samples[at] = value;
    }
    return samples[count / 2];
}

}  // namespace pk
