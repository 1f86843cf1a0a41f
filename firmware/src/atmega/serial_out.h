// What the console says.
#pragma once
#include <Arduino.h>

namespace serial_out {

inline void put(char c) { Serial.write(static_cast<uint8_t>(c)); }
// Between two lines.
inline void tend() {}

}  // namespace serial_out
