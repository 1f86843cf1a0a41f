// When to try again: pauses that double, each with a random part of its own, so that many boards do not return in step.
#pragma once
#include <stdint.h>

#include "random.h"

namespace pk {

const uint32_t BACKOFF_FIRST_MS = 1000, BACKOFF_LONGEST_MS = 300000;
const uint16_t RETRY_AFTER_LONGEST_S = 3600;

class Backoff {
public:
    // The seed tells boards apart, and one boot of a board from the next.
    void begin(uint32_t seed) { random_.seed(seed), failures_ = 0; }
    void succeed() { failures_ = 0; }
    // Nothing will change soon: the next pause is of the longest.
    void despair() { failures_ = DOUBLINGS; }
    // The pause after a failure: between a half and the whole of 1, 2, 4 … 256, 300 s; where the gateway asked for a
    // pause, at least that (of at most an hour) and up to a quarter more.
    uint32_t fail_ms(uint16_t retry_after_s);

private:
    static const uint8_t DOUBLINGS = 9;

    Random random_;
    uint8_t failures_;
};

}  // namespace pk
