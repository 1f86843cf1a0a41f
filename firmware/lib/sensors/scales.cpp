#include "scales.h"

namespace pk {
uint16_t scaled(uint16_t code, const Scale &scale, uint16_t most)
{
    const bool falling = scale.zero > scale.full;
    const uint32_t span = falling ? scale.zero - scale.full : scale.full - scale.zero;
    if (falling ? code >= scale.zero : code <= scale.zero) return 0;
    const uint32_t above = falling ? scale.zero - code : code - scale.zero;
    if (above >= span) return most;
    return static_cast<uint16_t>((2 * above * most + span) / (2 * span));
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
