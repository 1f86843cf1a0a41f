// Random numbers from a seed: what tells boards apart, and one boot of a board from the next. Nothing here is secret.
// Ref: Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003: triple 13, 17, 5.
#pragma once
#include <stdint.h>

namespace pk {

// Boards, and the boots of one, start from seeds that have little in common: Knuth's multiplier spreads neighbouring numbers.
inline uint32_t seed_of(int32_t device_id, uint32_t boot)
{
    return (static_cast<uint32_t>(device_id) ^ boot << 16) * 2654435761UL;
}

class Random {
public:
    // A seed of 0 would stay 0.
    void seed(uint32_t seed) { state_ = seed ? seed : 1; }
    uint32_t next();
    // 0 … limit − 1; limit is not 0.
    uint32_t below(uint32_t limit);

private:
    uint32_t state_;
};

}  // namespace pk
