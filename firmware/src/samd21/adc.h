// The ADC, as Arduino's core sets it up: 10 bits against the supply's 3.3 V; each conversion switches it on and off.
#pragma once
#include "pins.h"

namespace adc {

inline void begin() {}
inline void switch_on() {}
inline void switch_off() {}

// 0–1023
inline uint16_t convert() { return static_cast<uint16_t>(analogRead(pins::SOIL)); }

}  // namespace adc
