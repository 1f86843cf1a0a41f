// The watchdog, always on: 8 s without a sign of life are a hang, and restart the board.
#pragma once
#include <stdint.h>

#include "states.h"

namespace watchdog {

// cause: reset_cause::bits. Tells on the console where the last boot hung, if it did.
void begin(uint8_t cause);
// A sign of life, in this state.
void feed(pk::State state);
// Resets by the watchdog since power-on, but for those that were asked for.
uint16_t hangs();
// A reset as from the button, 16 ms from now; what the console was told is sent first.
void restart();

}  // namespace watchdog
