// The status LED: the board's own.
#pragma once
#include "pins.h"

namespace led {

inline void begin() { pinMode(pins::LED, OUTPUT); }
inline void switch_on() { digitalWrite(pins::LED, HIGH); }
inline void switch_off() { digitalWrite(pins::LED, LOW); }

}  // namespace led
