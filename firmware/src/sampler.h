// Takes one reading of all sensors.
#pragma once
#include "queue.h"

namespace sampler {

void begin();
// Fills in temperature, humidity and light. False where a sensor failed: said on the console and counted.
bool take(pk::Reading *reading);

}  // namespace sampler
