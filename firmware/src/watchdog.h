// The watchdog timer (DS40002061B section 11.8).
#pragma once

namespace watchdog {

// A reset as from the button, 16 ms from now; what the console was told is sent first.
void restart();

}  // namespace watchdog
