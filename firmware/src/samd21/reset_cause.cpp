#include "reset_cause.h"

#include <Arduino.h>

namespace reset_cause {
namespace {

// PM.RCAUSE (DS40001882 chapter 16), in the words of the ATmega's MCUSR.
uint8_t from_rcause(uint8_t rcause)
{
    uint8_t found = 0;
    if (rcause & PM_RCAUSE_POR) found |= POWER_ON;
    if (rcause & PM_RCAUSE_EXT) found |= RESET_PIN;
    if (rcause & (PM_RCAUSE_BOD12 | PM_RCAUSE_BOD33)) found |= BROWN_OUT;
    if (rcause & PM_RCAUSE_WDT) found |= WATCHDOG;
    if (rcause & PM_RCAUSE_SYST) found |= PROGRAM;
    return found;
}

}  // namespace

uint8_t bits = from_rcause(PM->RCAUSE.reg);

}  // namespace reset_cause
