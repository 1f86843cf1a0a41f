// The console: a SCPI subset on the serial port (docs/console.md).
#pragma once
#include "config.h"

namespace console {

// `config` is what the board runs with; the console changes a copy, which CONF:SAVE stores for the next start.
void begin(const pk::Config &config, bool configured, uint32_t boot, uint8_t reset_cause);
// Whether characters wait.
bool is_waiting();
// Whether nobody used the console for ten minutes, nor in the first ten.
bool is_quiet();
// Somebody does, though what was sent got lost.
void wake();
// Takes the characters that wait, and carries out the lines that they end.
void poll();

}  // namespace console
