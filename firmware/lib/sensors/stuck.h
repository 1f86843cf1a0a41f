// Tells a sensor that gives the same raw value for a day: it is broken, or what it measures is.
#pragma once
#include <stdint.h>

namespace pk {

const uint32_t STUCK_AFTER_TICKS = 21600;  // a day of 4 s ticks

class StuckWatch {
public:
    StuckWatch() : value_(0), since_(0), seen_(false) {}
    // True once for every day in which nothing but this value was seen.
    bool see(uint16_t value, uint32_t tick)
    {
        if (!seen_ || value != value_) {
            seen_ = true;
            value_ = value;
            since_ = tick;
        }
        if (tick - since_ < STUCK_AFTER_TICKS) return false;
        since_ = tick;
        return true;
    }

private:
    uint16_t value_;
    uint32_t since_;
    bool seen_;
};

}  // namespace pk
