#include "reset_cause.h"

#include <avr/io.h>
#include <avr/wdt.h>

namespace reset_cause {

uint8_t bits __attribute__((section(".noinit")));

namespace {

// MCUSR tells why the board started; it is kept before anything can clear it (DS40002061B section 11.9.1).
// After a watchdog reset the watchdog runs on, at its shortest, until it is stopped (section 11.9.2).
void keep() __attribute__((naked, used, section(".init3")));
void keep()
{
    bits = MCUSR;
    MCUSR = 0;
    wdt_disable();
}

}  // namespace
}  // namespace reset_cause
