#include "w5500.h"

#include <avr/io.h>
#include <avr/pgmspace.h>
#include <string.h>

#include "clock.h"
#include "pins.h"

namespace w5500 {
namespace {

// Block select bits (section 2.2.2): common registers, socket 0's registers and buffers.
enum Block { COMMON = 0x00, SOCKET0 = 0x01, SOCKET0_TX = 0x02, SOCKET0_RX = 0x03 };

// Common registers (section 4.1)
const uint16_t MR = 0x0000, GAR = 0x0001, RTR = 0x0019, PHYCFGR = 0x002E, VERSIONR = 0x0039;
const uint8_t MR_RST = 0x80, PHY_LINK = 0x01, VERSION = 0x04;

// Socket registers (section 4.2)
const uint16_t SN_MR = 0x0000, SN_CR = 0x0001, SN_IR = 0x0002, SN_SR = 0x0003, SN_PORT = 0x0004, SN_DIPR = 0x000C;
const uint16_t SN_TX_WR = 0x0024, SN_RX_RSR = 0x0026, SN_RX_RD = 0x0028;
const uint8_t TCP = 0x01;
const uint8_t OPEN = 0x01, CONNECT = 0x04, DISCON = 0x08, CLOSE = 0x10, SEND = 0x20, RECV = 0x40;
const uint8_t IR_TIMEOUT = 0x08, IR_SENDOK = 0x10;
const uint8_t SOCK_CLOSED = 0x00, SOCK_INIT = 0x13, SOCK_ESTABLISHED = 0x17, SOCK_CLOSE_WAIT = 0x1C;

// Retransmission: 100 ms, doubled each time, three repeats: the chip gives up after 1.5 s (section 4.1, RTR).
const uint16_t RETRY_TIME_100US = 1000;
const uint8_t RETRY_COUNT = 3;
const uint16_t WAIT_MS = 2000, COMMAND_MS = 10, CLOSE_MS = 300, POLL_MS = 1;

uint8_t exchange(uint8_t out)
{
    SPDR = out;
    while (!(SPSR & _BV(SPIF))) {
    }
    return SPDR;
}

class Frame {
public:
    Frame(uint16_t address, Block block, bool write)
    {
        W5500_SELECT_PORT &= static_cast<uint8_t>(~_BV(W5500_SELECT_BIT));
        exchange(static_cast<uint8_t>(address >> 8));
        exchange(static_cast<uint8_t>(address));
        exchange(static_cast<uint8_t>(block << 3 | (write ? 0x04 : 0x00)));
    }
    ~Frame() { W5500_SELECT_PORT |= _BV(W5500_SELECT_BIT); }
};

void write(uint16_t address, Block block, const uint8_t *data, uint16_t length)
{
    Frame frame(address, block, true);
    while (length--) exchange(*data++);
}

void read(uint16_t address, Block block, uint8_t *data, uint16_t length)
{
    Frame frame(address, block, false);
    while (length--) *data++ = exchange(0);
}

void write8(uint16_t address, Block block, uint8_t value) { write(address, block, &value, 1); }

uint8_t read8(uint16_t address, Block block)
{
    uint8_t value;
    read(address, block, &value, 1);
    return value;
}

void write16(uint16_t address, Block block, uint16_t value)
{
    const uint8_t bytes[2] = {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
    write(address, block, bytes, 2);
}

uint16_t read16(uint16_t address, Block block)
{
    uint8_t bytes[2];
    read(address, block, bytes, 2);
    return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

// A size register may change between its two bytes: read until two readings agree (section 4.2, Sn_RX_RSR).
uint16_t read_size(uint16_t address)
{
    uint16_t before = read16(address, SOCKET0);
    for (uint8_t tries = 0; tries < 8; tries++) {
        uint16_t now = read16(address, SOCKET0);
        if (now == before) return now;
        before = now;
    }
    return 0;
}

bool command(uint8_t value)
{
    write8(SN_CR, SOCKET0, value);
    clock::Counts deadline = clock::now() + clock::from_ms(COMMAND_MS);
    while (read8(SN_CR, SOCKET0) != 0)
        if (clock::reached(deadline)) return false;
    return true;
}

void close()
{
    command(CLOSE);
    write8(SN_IR, SOCKET0, 0xFF);
}

}  // namespace

bool begin(const pk::Config &config)
{
    SD_SELECT_PORT |= _BV(SD_SELECT_BIT);
    SD_SELECT_DDR |= _BV(SD_SELECT_BIT);
    W5500_SELECT_PORT |= _BV(W5500_SELECT_BIT);
    W5500_SELECT_DDR |= _BV(W5500_SELECT_BIT);
    DDRB |= _BV(PB3) | _BV(PB5);  // MOSI, SCK
    SPCR = _BV(SPE) | _BV(MSTR);
    SPSR = _BV(SPI2X);  // 8 MHz

    write8(MR, COMMON, MR_RST);
    clock::Counts deadline = clock::now() + clock::from_ms(COMMAND_MS);
    while (read8(MR, COMMON) & MR_RST)
        if (clock::reached(deadline)) return false;
    if (!is_present()) return false;

    uint8_t addresses[18];  // GAR, SUBR, SHAR, SIPR follow one another
    memcpy(addresses, config.router, 4);
    memcpy(addresses + 4, config.mask, 4);
    memcpy(addresses + 8, config.mac, 6);
    memcpy(addresses + 14, config.address, 4);
    write(GAR, COMMON, addresses, sizeof addresses);
    const uint8_t retry[3] = {RETRY_TIME_100US >> 8, RETRY_TIME_100US & 0xFF, RETRY_COUNT};
    write(RTR, COMMON, retry, sizeof retry);
    return true;
}

bool is_present() { return read8(VERSIONR, COMMON) == VERSION; }

const char *absence() { return PSTR("no_w5500"); }

bool link_is_up() { return (read8(PHYCFGR, COMMON) & PHY_LINK) != 0; }

Result connect(const uint8_t address[4], uint16_t port, uint16_t source_port)
{
    if (!link_is_up()) return NO_LINK;
    close();
    write8(SN_MR, SOCKET0, TCP);
    write16(SN_PORT, SOCKET0, source_port);
    if (!command(OPEN) || read8(SN_SR, SOCKET0) != SOCK_INIT) return CONNECT_FAILED;
    write(SN_DIPR, SOCKET0, address, 4);
    write16(SN_DIPR + 4, SOCKET0, port);
    if (!command(CONNECT)) return CONNECT_FAILED;
    clock::Counts deadline = clock::now() + clock::from_ms(WAIT_MS);
    for (;;) {
        uint8_t state = read8(SN_SR, SOCKET0);
        if (state == SOCK_ESTABLISHED || state == SOCK_CLOSE_WAIT) return OK;
        if (state == SOCK_CLOSED || clock::reached(deadline)) {
            close();
            return CONNECT_FAILED;
        }
        clock::sleep_ms(POLL_MS);
    }
}

void put(const uint8_t *data, uint16_t length)
{
    uint16_t at = read16(SN_TX_WR, SOCKET0);
    write(at, SOCKET0_TX, data, length);  // the chip wraps the address in its ring
    write16(SN_TX_WR, SOCKET0, static_cast<uint16_t>(at + length));
}

Result send()
{
    if (!command(SEND)) return TIMED_OUT;
    clock::Counts deadline = clock::now() + clock::from_ms(WAIT_MS);
    for (;;) {
        uint8_t flags = read8(SN_IR, SOCKET0);
        if (flags & IR_SENDOK) {
            write8(SN_IR, SOCKET0, IR_SENDOK);
            return OK;
        }
        if (flags & IR_TIMEOUT) return TIMED_OUT;
        if (read8(SN_SR, SOCKET0) == SOCK_CLOSED) return CLOSED;
        if (clock::reached(deadline)) return TIMED_OUT;
        clock::sleep_ms(POLL_MS);
    }
}

uint16_t receive(uint8_t *data, uint16_t size, uint16_t timeout_ms, Result *result)
{
    clock::Counts deadline = clock::now() + clock::from_ms(timeout_ms);
    for (;;) {
        uint8_t state = read8(SN_SR, SOCKET0);  // before the size: bytes come before the close
        uint16_t waiting = read_size(SN_RX_RSR);
        if (waiting) {
            uint16_t length = waiting < size ? waiting : size;
            uint16_t at = read16(SN_RX_RD, SOCKET0);
            read(at, SOCKET0_RX, data, length);
            write16(SN_RX_RD, SOCKET0, static_cast<uint16_t>(at + length));
            *result = command(RECV) ? OK : TIMED_OUT;
            return length;
        }
        if (state != SOCK_ESTABLISHED) {
            *result = CLOSED;
            return 0;
        }
        if (clock::reached(deadline)) {
            *result = TIMED_OUT;
            return 0;
        }
        clock::sleep_ms(POLL_MS);
    }
}

void disconnect()
{
    if (read8(SN_SR, SOCKET0) != SOCK_CLOSED) {
        command(DISCON);
        clock::Counts deadline = clock::now() + clock::from_ms(CLOSE_MS);
        while (read8(SN_SR, SOCKET0) != SOCK_CLOSED && !clock::reached(deadline)) clock::sleep_ms(POLL_MS);
    }
    close();
}

}  // namespace w5500
