// Registers and buffers of the W5500 over SPI, for the modules that drive it.
// Ref: W5500 datasheet, sections 2 (SPI frame), 3 (register map), 4.2 (socket registers).
#pragma once
#include <stdint.h>

namespace w5500 {

// The block of a socket's registers (section 2.2.2); its buffers' blocks follow it.
enum Socket { TCP_SOCKET = 0x01, UDP_SOCKET = 0x05 };
const uint8_t COMMON = 0x00, TX = 1, RX = 2;

// Socket registers (section 4.2)
const uint16_t SN_MR = 0x0000, SN_CR = 0x0001, SN_IR = 0x0002, SN_SR = 0x0003, SN_PORT = 0x0004, SN_DIPR = 0x000C;
const uint16_t SN_TX_WR = 0x0024, SN_RX_RSR = 0x0026, SN_RX_RD = 0x0028;
const uint8_t OPEN = 0x01, CONNECT = 0x04, DISCON = 0x08, CLOSE = 0x10, SEND = 0x20, RECV = 0x40;
const uint8_t IR_TIMEOUT = 0x08, IR_SENDOK = 0x10;
const uint16_t COMMAND_MS = 10, POLL_MS = 1;

void write(uint16_t address, uint8_t block, const uint8_t *data, uint16_t length);
void read(uint16_t address, uint8_t block, uint8_t *data, uint16_t length);
void write8(uint16_t address, uint8_t block, uint8_t value);
uint8_t read8(uint16_t address, uint8_t block);
void write16(uint16_t address, uint8_t block, uint16_t value);
uint16_t read16(uint16_t address, uint8_t block);

// False where the chip does not take it within 10 ms.
bool command(Socket socket, uint8_t value);
// Bytes that wait in the receive buffer.
uint16_t received(Socket socket);
// Copies bytes that wait out of the receive buffer, and is past them; the chip has their room back after RECV.
void take(Socket socket, uint8_t *data, uint16_t length);
// Adds to the transmit buffer what SEND will send.
void put(Socket socket, const uint8_t *data, uint16_t length);
bool open(Socket socket, uint8_t mode, uint16_t port);
void close(Socket socket);
// Where SEND or CONNECT goes to.
void aim(Socket socket, const uint8_t address[4], uint16_t port);

}  // namespace w5500
