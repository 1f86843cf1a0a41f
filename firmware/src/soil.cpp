#include "soil.h"

#include <avr/io.h>

#include "pins.h"
#include "scales.h"

namespace soil {
namespace {

const uint8_t SAMPLES = 5;
const uint16_t OPEN_BELOW = 16;

uint16_t convert()
{
    ADCSRA |= _BV(ADSC);
    while (ADCSRA & _BV(ADSC)) {  // 13 ADC clocks: 104 µs
    }
    return ADC;
}

}  // namespace

void begin()
{
    ADMUX = _BV(REFS0) | SOIL_ADC_CHANNEL;               // AVcc
    ADCSRA = _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0);       // 125 kHz
    DIDR0 = _BV(SOIL_ADC_CHANNEL);
}

bool read(uint16_t *adc_code)
{
    uint16_t samples[SAMPLES];
    ADCSRA |= _BV(ADEN);
    convert();  // the first one after switching on settles
    for (uint8_t i = 0; i < SAMPLES; i++) samples[i] = convert();
    ADCSRA &= static_cast<uint8_t>(~_BV(ADEN));
    *adc_code = pk::median(samples, SAMPLES);
    return *adc_code >= OPEN_BELOW;
}

}  // namespace soil
