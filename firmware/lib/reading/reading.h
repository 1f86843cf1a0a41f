// One reading of all sensors.
#pragma once
#include <stdint.h>

namespace pk {

struct Reading {
    uint32_t boot, seq;  // its key: the boot that took it, and its number in that boot, from 1
    uint32_t taken_at;   // 4 s ticks since that boot
    int16_t temperature_tenths;
    uint16_t light;
    uint8_t humidity;
};

}  // namespace pk
