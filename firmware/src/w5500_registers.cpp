#include "w5500_registers.h"

#include <avr/io.h>

#include "clock.h"
#include "pins.h"

namespace w5500 {
namespace {

uint8_t exchange(uint8_t out)
{
    SPDR = out;
    while (!(SPSR & _BV(SPIF))) {
    }
    return SPDR;
}

class Frame {
public:
    Frame(uint16_t address, uint8_t block, bool write)
    {
        W5500_SELECT_PORT &= static_cast<uint8_t>(~_BV(W5500_SELECT_BIT));
        exchange(static_cast<uint8_t>(address >> 8));
        exchange(static_cast<uint8_t>(address));
        exchange(static_cast<uint8_t>(block << 3 | (write ? 0x04 : 0x00)));
    }
    ~Frame() { W5500_SELECT_PORT |= _BV(W5500_SELECT_BIT); }
};

}  // namespace

void write(uint16_t address, uint8_t block, const uint8_t *data, uint16_t length)
{
    Frame frame(address, block, true);
    while (length--) exchange(*data++);
}

void read(uint16_t address, uint8_t block, uint8_t *data, uint16_t length)
{
    Frame frame(address, block, false);
    while (length--) *data++ = exchange(0);
}

void write8(uint16_t address, uint8_t block, uint8_t value) { write(address, block, &value, 1); }

uint8_t read8(uint16_t address, uint8_t block)
{
    uint8_t value;
    read(address, block, &value, 1);
    return value;
}

void write16(uint16_t address, uint8_t block, uint16_t value)
{
    const uint8_t bytes[2] = {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
    write(address, block, bytes, 2);
}

uint16_t read16(uint16_t address, uint8_t block)
{
    uint8_t bytes[2];
    read(address, block, bytes, 2);
    return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

bool command(Socket socket, uint8_t value)
{
    write8(SN_CR, socket, value);
    clock::Counts deadline = clock::now() + clock::from_ms(COMMAND_MS);
    while (read8(SN_CR, socket) != 0)
        if (clock::reached(deadline)) return false;
    return true;
}

// A size register may change between its two bytes: read until two readings agree (section 4.2, Sn_RX_RSR).
uint16_t received(Socket socket)
{
    uint16_t before = read16(SN_RX_RSR, socket);
    for (uint8_t tries = 0; tries < 8; tries++) {
        uint16_t now = read16(SN_RX_RSR, socket);
        if (now == before) return now;
        before = now;
    }
    return 0;
}

void take(Socket socket, uint8_t *data, uint16_t length)
{
    const uint16_t at = read16(SN_RX_RD, socket);
    read(at, socket + RX, data, length);  // the chip wraps the address in its ring
    write16(SN_RX_RD, socket, static_cast<uint16_t>(at + length));
}

void put(Socket socket, const uint8_t *data, uint16_t length)
{
    const uint16_t at = read16(SN_TX_WR, socket);
    write(at, socket + TX, data, length);
    write16(SN_TX_WR, socket, static_cast<uint16_t>(at + length));
}

bool open(Socket socket, uint8_t mode, uint16_t port)
{
    close(socket);
    write8(SN_MR, socket, mode);
    write16(SN_PORT, socket, port);
    return command(socket, OPEN);
}

void close(Socket socket)
{
    command(socket, CLOSE);
    write8(SN_IR, socket, 0xFF);
}

void aim(Socket socket, const uint8_t address[4], uint16_t port)
{
    write(SN_DIPR, socket, address, 4);
    write16(SN_DIPR + 4, socket, port);
}

}  // namespace w5500
