#include "w5500.h"

#include <avr/io.h>
#include <avr/pgmspace.h>
#include <string.h>

#include "clock.h"
#include "pins.h"
#include "w5500_registers.h"

namespace w5500 {
namespace {

// Common registers (section 4.1)
const uint16_t MR = 0x0000, GAR = 0x0001, SHAR = 0x0009, SIPR = 0x000F, RTR = 0x0019, PHYCFGR = 0x002E, VERSIONR = 0x0039;
const uint8_t MR_RST = 0x80, PHY_LINK = 0x01, VERSION = 0x04;

const uint8_t TCP = 0x01;
const uint8_t SOCK_CLOSED = 0x00, SOCK_INIT = 0x13, SOCK_ESTABLISHED = 0x17, SOCK_CLOSE_WAIT = 0x1C;

// Retransmission: 100 ms, doubled each time, three repeats: the chip gives up after 1.5 s (section 4.1, RTR).
const uint16_t RETRY_TIME_100US = 1000;
const uint8_t RETRY_COUNT = 3;
const uint16_t WAIT_MS = 2000, CLOSE_MS = 300;

}  // namespace

bool begin(const pk::Config &config)
{
    SD_SELECT_PORT |= _BV(SD_SELECT_BIT);
    SD_SELECT_DDR |= _BV(SD_SELECT_BIT);
    W5500_SELECT_PORT |= _BV(W5500_SELECT_BIT);
    W5500_SELECT_DDR |= _BV(W5500_SELECT_BIT);
    SPI_DDR |= SPI_OUTPUTS;
    SPCR = _BV(SPE) | _BV(MSTR);
    SPSR = _BV(SPI2X);  // 8 MHz

    write8(MR, COMMON, MR_RST);
    clock::Counts deadline = clock::now() + clock::from_ms(COMMAND_MS);
    while (read8(MR, COMMON) & MR_RST)
        if (clock::reached(deadline)) return false;
    if (!is_present()) return false;

    write(SHAR, COMMON, config.mac, sizeof config.mac);
    const uint8_t retry[3] = {RETRY_TIME_100US >> 8, RETRY_TIME_100US & 0xFF, RETRY_COUNT};
    write(RTR, COMMON, retry, sizeof retry);
    return true;
}

void set_addresses(const uint8_t address[4], const uint8_t mask[4], const uint8_t router[4])
{
    write(GAR, COMMON, router, 4);
    write(GAR + 4, COMMON, mask, 4);
    write(SIPR, COMMON, address, 4);
}

bool is_present() { return read8(VERSIONR, COMMON) == VERSION; }

const char *absence() { return PSTR("no_w5500"); }

bool link_is_up() { return (read8(PHYCFGR, COMMON) & PHY_LINK) != 0; }

Result connect(const uint8_t address[4], uint16_t port, uint16_t source_port)
{
    if (!link_is_up()) return NO_LINK;
    if (!open(TCP_SOCKET, TCP, source_port) || read8(SN_SR, TCP_SOCKET) != SOCK_INIT) return CONNECT_FAILED;
    aim(TCP_SOCKET, address, port);
    if (!command(TCP_SOCKET, CONNECT)) return CONNECT_FAILED;
    clock::Counts deadline = clock::now() + clock::from_ms(WAIT_MS);
    for (;;) {
        uint8_t state = read8(SN_SR, TCP_SOCKET);
        if (state == SOCK_ESTABLISHED || state == SOCK_CLOSE_WAIT) return OK;
        if (state == SOCK_CLOSED || clock::reached(deadline)) {
            close(TCP_SOCKET);
            return CONNECT_FAILED;
        }
        clock::sleep_ms(POLL_MS);
    }
}

void put(const uint8_t *data, uint16_t length) { put(TCP_SOCKET, data, length); }

Result send()
{
    if (!command(TCP_SOCKET, SEND)) return TIMED_OUT;
    clock::Counts deadline = clock::now() + clock::from_ms(WAIT_MS);
    for (;;) {
        uint8_t flags = read8(SN_IR, TCP_SOCKET);
        if (flags & IR_SENDOK) {
            write8(SN_IR, TCP_SOCKET, IR_SENDOK);
            return OK;
        }
        if (flags & IR_TIMEOUT) return TIMED_OUT;
        if (read8(SN_SR, TCP_SOCKET) == SOCK_CLOSED) return CLOSED;
        if (clock::reached(deadline)) return TIMED_OUT;
        clock::sleep_ms(POLL_MS);
    }
}

uint16_t receive(uint8_t *data, uint16_t size, uint16_t timeout_ms, Result *result)
{
    clock::Counts deadline = clock::now() + clock::from_ms(timeout_ms);
    for (;;) {
        uint8_t state = read8(SN_SR, TCP_SOCKET);  // before the size: bytes come before the close
        uint16_t waiting = received(TCP_SOCKET);
        if (waiting) {
            uint16_t length = waiting < size ? waiting : size;
            take(TCP_SOCKET, data, length);
            *result = command(TCP_SOCKET, RECV) ? OK : TIMED_OUT;
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
    if (read8(SN_SR, TCP_SOCKET) != SOCK_CLOSED) {
        command(TCP_SOCKET, DISCON);
        clock::Counts deadline = clock::now() + clock::from_ms(CLOSE_MS);
        while (read8(SN_SR, TCP_SOCKET) != SOCK_CLOSED && !clock::reached(deadline)) clock::sleep_ms(POLL_MS);
    }
    close(TCP_SOCKET);
}

}  // namespace w5500
