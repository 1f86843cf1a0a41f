// The ADC (DS40002061B chapter 24): 10 bits against AVcc.
#pragma once
#include <avr/io.h>
#include <stdint.h>

#include "pins.h"

namespace adc {

inline void begin()
{
    ADMUX = _BV(REFS0) | SOIL_ADC_CHANNEL;          // AVcc
    ADCSRA = _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0);  // 125 kHz
    DIDR0 = _BV(SOIL_ADC_CHANNEL);
}

inline void switch_on() { ADCSRA |= _BV(ADEN); }
inline void switch_off() { ADCSRA &= static_cast<uint8_t>(~_BV(ADEN)); }

// 0–1023
inline uint16_t convert()
{
    ADCSRA |= _BV(ADSC);
    while (ADCSRA & _BV(ADSC)) {  // 13 ADC clocks: 104 µs
    }
    return ADC;
}

}  // namespace adc
