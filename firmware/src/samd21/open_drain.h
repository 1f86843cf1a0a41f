// A wire with a pull-up that anybody may pull down. Low before it is an output: else it would be driven high in between.
#pragma once
#include "pins.h"

namespace open_drain {

inline void release(uint8_t pin) { pinMode(pin, INPUT_PULLUP); }

inline void pull_down(uint8_t pin)
{
    digitalWrite(pin, LOW);
    pinMode(pin, OUTPUT);
}

inline bool is_high(uint8_t pin) { return digitalRead(pin) == HIGH; }

}  // namespace open_drain
