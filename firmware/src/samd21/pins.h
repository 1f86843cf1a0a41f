// Wiring of the MKR WiFi 1010 (docs/architecture.md section 2), by the core's pin numbers.
#pragma once
#include <Arduino.h>

namespace pins {

const uint8_t DHT11 = 2, LED = LED_BUILTIN, I2C_SDA = PIN_WIRE_SDA, I2C_SCL = PIN_WIRE_SCL, SOIL = PIN_A0;

}  // namespace pins
