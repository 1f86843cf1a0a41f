// Two-wire master by its wires: the core's Wire waits without end for a bus that is held, which would cost more than a reading.
// Ref: UM10204 (I²C-bus specification) sections 3.1 and 6.1.
#include "twi.h"

#include "clock.h"
#include "open_drain.h"

namespace twi {
namespace {

using pins::I2C_SCL;
using pins::I2C_SDA;

const uint8_t HALF_BIT_US = 5;  // at most 100 kHz
const uint16_t STRETCH_MS = 2;  // a chip may hold the clock so long

void half_bit() { clock::wait_us(HALF_BIT_US); }

bool raise_clock()
{
    open_drain::release(I2C_SCL);
    const clock::Counts deadline = clock::now() + clock::from_ms(STRETCH_MS);
    while (!open_drain::is_high(I2C_SCL))
        if (clock::reached(deadline)) return false;
    half_bit();
    return true;
}

void lower_clock()
{
    open_drain::pull_down(I2C_SCL);
    half_bit();
}

void set_data(bool high)
{
    if (high)
        open_drain::release(I2C_SDA);
    else
        open_drain::pull_down(I2C_SDA);
    half_bit();
}

// Also in the middle of a transfer, as a repeated start.
bool start()
{
    set_data(true);
    if (!raise_clock() || !open_drain::is_high(I2C_SDA)) return false;
    set_data(false);
    lower_clock();
    return true;
}

bool put_bit(bool high)
{
    set_data(high);
    if (!raise_clock()) return false;
    lower_clock();
    return true;
}

bool get_bit(bool *high)
{
    set_data(true);
    if (!raise_clock()) return false;
    *high = open_drain::is_high(I2C_SDA);
    lower_clock();
    return true;
}

bool send(uint8_t byte)
{
    bool refused = true;
    for (uint8_t mask = 0x80; mask; mask = static_cast<uint8_t>(mask >> 1))
        if (!put_bit((byte & mask) != 0)) return false;
    return get_bit(&refused) && !refused;
}

bool receive(uint8_t *byte, bool more)
{
    uint8_t bits = 0;
    for (uint8_t i = 0; i < 8; i++) {
        bool high = false;
        if (!get_bit(&high)) return false;
        bits = static_cast<uint8_t>(bits << 1 | high);
    }
    *byte = bits;
    return put_bit(!more);
}

void stop()
{
    set_data(false);
    raise_clock();
    set_data(true);
}

// A chip that lost count of the clock holds SDA until it has seen the rest of its byte: nine clocks free it
// (UM10204 section 3.1.16).
void recover()
{
    open_drain::release(I2C_SDA);
    for (uint8_t clocks = 0; clocks < 9 && !open_drain::is_high(I2C_SDA); clocks++) {
        lower_clock();
        raise_clock();
    }
    lower_clock();
}

bool finish(bool good)
{
    if (!good) recover();
    stop();
    return good;
}

bool select(uint8_t chip, uint8_t reg) { return start() && send(static_cast<uint8_t>(chip << 1)) && send(reg); }

}  // namespace

void begin()
{
    open_drain::release(I2C_SDA);
    open_drain::release(I2C_SCL);
}

bool write(uint8_t chip, uint8_t reg, const uint8_t *data, uint8_t length)
{
    bool good = select(chip, reg);
    while (good && length--) good = send(*data++);
    return finish(good);
}

bool read(uint8_t chip, uint8_t reg, uint8_t *data, uint8_t length)
{
    bool good = select(chip, reg) && start() && send(static_cast<uint8_t>(chip << 1 | 1));
    while (good && length--) good = receive(data++, length > 0);
    return finish(good);
}

}  // namespace twi
