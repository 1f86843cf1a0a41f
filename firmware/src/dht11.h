// DHT11 temperature and humidity sensor on one wire.
// Ref: DHT11 data sheet (Aosong), "Communication process".
#pragma once
#include "dht11_frame.h"

namespace dht11 {

void begin();
// Takes about 25 ms, and up to a second more where the sensor still rests from power-up or the last reading.
pk::Dht11Result read(pk::Dht11Frame *frame);

}  // namespace dht11
