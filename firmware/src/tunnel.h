// The transport of a board without a network: TCP's bytes in frames on the serial line, one connection at a time.
// The host opens the connection in the board's stead (docs/console.md, Frames). The same functions as w5500.h.
#pragma once
#include <stdint.h>

#include "config.h"

namespace tunnel {

enum Result { OK, NO_LINK, CONNECT_FAILED, TIMED_OUT, CLOSED };

inline bool begin(const pk::Config &) { return true; }
inline bool is_present() { return true; }
inline const char *absence() { return 0; }
// Whether a host is there shows only when it is asked (connect).
inline bool link_is_up() { return true; }
// CONNECT_FAILED also where no host answers within 2 s.
Result connect(const uint8_t address[4], uint16_t port, uint16_t source_port);
// Sends at once, and waits until the host has it; send() tells whether it had all.
void put(const uint8_t *data, uint16_t length);
Result send();
uint16_t receive(uint8_t *data, uint16_t size, uint16_t timeout_ms, Result *result);
void disconnect();

// Console text that came between the frames.
bool text_waits();
char next_text();

}  // namespace tunnel
