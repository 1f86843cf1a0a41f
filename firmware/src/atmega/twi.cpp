// Ref: DS40002061B chapter 22.
#include "twi.h"

#include <avr/io.h>

#include "clock.h"
#include "pins.h"

namespace twi {
namespace {

const uint8_t SDA = TWI_SDA_BIT, SCL = TWI_SCL_BIT;
const uint16_t STEP_MS = 2;  // a byte takes 90 µs at 100 kHz
// Status codes (tables 22-2 and 22-3)
const uint8_t START = 0x08, REPEATED_START = 0x10, ADDRESS_WRITE_ACK = 0x18, DATA_ACK = 0x28, ADDRESS_READ_ACK = 0x40;

bool step(uint8_t control, uint8_t expected, uint8_t also = 0xFF)
{
    TWCR = static_cast<uint8_t>(control | _BV(TWINT) | _BV(TWEN));
    clock::Counts deadline = clock::now() + clock::from_ms(STEP_MS);
    while (!(TWCR & _BV(TWINT)))
        if (clock::reached(deadline)) return false;
    uint8_t status = TWSR & 0xF8;
    return status == expected || status == also;
}

bool send(uint8_t byte, uint8_t expected)
{
    TWDR = byte;
    return step(0, expected);
}

bool start() { return step(_BV(TWSTA), START, REPEATED_START); }

// A chip that lost count of the clock holds SDA until it has seen the rest of its byte: nine clocks free it
// (UM10204 section 3.1.16). Against a chip that holds SCL there is no remedy but the deadlines above.
void recover()
{
    TWI_DDR &= static_cast<uint8_t>(~(_BV(SDA) | _BV(SCL)));
    for (uint8_t clocks = 0; clocks < 9 && !(TWI_PIN & _BV(SDA)); clocks++) {
        TWI_PORT &= static_cast<uint8_t>(~_BV(SCL));
        TWI_DDR |= _BV(SCL);
        clock::wait_us(5);
        TWI_DDR &= static_cast<uint8_t>(~_BV(SCL));
        TWI_PORT |= _BV(SCL);
        clock::wait_us(5);
    }
}

void stop(bool clean)
{
    if (!clean) {
        TWCR = 0;  // lets go of the bus, whatever state it is in
        recover();
        return;
    }
    TWCR = _BV(TWINT) | _BV(TWEN) | _BV(TWSTO);
    clock::Counts deadline = clock::now() + clock::from_ms(STEP_MS);
    while ((TWCR & _BV(TWSTO)) && !clock::reached(deadline)) {
    }
}

bool select(uint8_t chip, uint8_t reg)
{
    return start() && send(static_cast<uint8_t>(chip << 1), ADDRESS_WRITE_ACK) && send(reg, DATA_ACK);
}

}  // namespace

void begin()
{
    TWI_PORT |= _BV(SDA) | _BV(SCL);  // pull-ups, beside the breakout's own
    TWSR = 0;
    TWBR = (F_CPU / 100000UL - 16) / 2;  // 100 kHz (section 22.5.2)
}

bool write(uint8_t chip, uint8_t reg, const uint8_t *data, uint8_t length)
{
    bool good = select(chip, reg);
    while (good && length--) good = send(*data++, DATA_ACK);
    stop(good);
    return good;
}

bool read(uint8_t chip, uint8_t reg, uint8_t *data, uint8_t length)
{
    bool good = select(chip, reg) && start() && send(static_cast<uint8_t>(chip << 1 | 1), ADDRESS_READ_ACK);
    while (good && length--) {
        good = step(length ? _BV(TWEA) : 0, length ? 0x50 : 0x58);
        *data++ = TWDR;
    }
    stop(good);
    return good;
}

}  // namespace twi
