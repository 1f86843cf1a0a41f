#include "random.h"

namespace pk {

uint32_t Random::next()
{
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
}

uint32_t Random::below(uint32_t limit) { return next() % limit; }

}  // namespace pk
