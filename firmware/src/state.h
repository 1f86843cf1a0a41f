// What the board is doing now.
#pragma once
#include "states.h"

namespace state {

// Sets the LED, gives the watchdog another 8 s, and remembers the state over a reset.
void enter(pk::State next);
pk::State current();

}  // namespace state
