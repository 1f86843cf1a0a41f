// Takes one reading of all sensors.
#pragma once
#include "config.h"
#include "reading.h"

namespace sampler {

// `config` must stay where it is: it has the calibration.
void begin(const pk::Config &config);
// Fills in temperature, humidity and light. False where a sensor failed: said on the console and counted.
bool take(pk::Reading *reading);
// Asks every sensor once. The bits of those that failed: 1 DHT11, 2 SI1145, 4 soil probe.
uint8_t test();

}  // namespace sampler
