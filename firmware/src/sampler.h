// Takes one reading of all sensors.
#pragma once
#include "reading.h"

namespace sampler {

void begin();
// Fills in temperature, humidity and light. False where a sensor failed: said on the console and counted.
bool take(pk::Reading *reading);
// Asks every sensor once. The bits of those that failed: 1 DHT11, 2 SI1145, 4 soil probe.
uint8_t test();

}  // namespace sampler
