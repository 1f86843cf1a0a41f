// The status LED.
#pragma once
#include "pins.h"

namespace led {

inline void begin() { LED_DDR |= _BV(LED_BIT); }
inline void switch_on() { LED_PORT |= _BV(LED_BIT); }
inline void switch_off() { LED_PORT &= static_cast<uint8_t>(~_BV(LED_BIT)); }

}  // namespace led
