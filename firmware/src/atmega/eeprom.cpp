#include "eeprom.h"

#include <avr/interrupt.h>

#include "clock.h"

// Asks again and again while it is not served: it only ends the sleep.
ISR(EE_READY_vect) { EECR &= static_cast<uint8_t>(~_BV(EERIE)); }

namespace eeprom {
namespace {

void sleep_while_writing()
{
    for (;;) {
        cli();
        if (!(EECR & _BV(EEPE))) break;
        EECR |= _BV(EERIE);
        clock::sleep_until_event();
    }
    EECR &= static_cast<uint8_t>(~_BV(EERIE));
    sei();
}

}  // namespace

void write(uint16_t address, uint8_t value)
{
    eeprom_update_byte(at(address), value);
    sleep_while_writing();
}

}  // namespace eeprom
