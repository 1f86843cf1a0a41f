// W5500 Ethernet controller over SPI: the chip, and its TCP socket, every wait with a deadline.
// Ref: W5500 datasheet, sections 3 and 4 (registers).
#pragma once
#include <stdint.h>

#include "config.h"

namespace w5500 {

enum Result { OK, NO_LINK, CONNECT_FAILED, TIMED_OUT, CLOSED };

// Resets the chip; it has no IP address then. False where no W5500 answers.
bool begin(const pk::Config &config);
// 0.0.0.0: none.
void set_addresses(const uint8_t address[4], const uint8_t mask[4], const uint8_t router[4]);
bool is_present();
// Name of the event that says so, in flash.
const char *absence();
bool link_is_up();
// At most 2 s.
Result connect(const uint8_t address[4], uint16_t port, uint16_t source_port);
// Adds to what send() will send: up to 2 KiB, as much as the transmit buffer of a fresh connection holds.
void put(const uint8_t *data, uint16_t length);
// At most 2 s.
Result send();
// Waits for bytes; 0 with *result CLOSED or TIMED_OUT where none came.
uint16_t receive(uint8_t *data, uint16_t size, uint16_t timeout_ms, Result *result);
void disconnect();

}  // namespace w5500
