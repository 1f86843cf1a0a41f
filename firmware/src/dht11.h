// DHT11 temperature and humidity sensor on one wire.
// Ref: DHT11 data sheet (Aosong), "Communication process".
#pragma once
#include "dht11_frame.h"

namespace dht11 {

void begin();
// Takes about 25 ms. At most one reading a second.
pk::Dht11Result read(pk::Dht11Frame *frame);

}  // namespace dht11
