// The board's IP address: the one that it was given over the console, or one that it leases by DHCP (RFC 2131).
#pragma once
#include <stdint.h>

#include "config.h"
#include "text.h"

namespace address {

#if defined(PK_SERIAL_TRANSPORT) || defined(PK_WIFI)

// Frames on the serial line need none; a network module has its own.
inline void begin(const pk::Config &, uint32_t) {}
inline void poll() {}
inline bool is_there() { return true; }
inline bool is_busy() { return false; }
inline void write_state(pk::TextWriter &out) { out.flash(PK_TEXT("none,0.0.0.0")); }

#else

// After the W5500's begin; `config` must stay where it is.
void begin(const pk::Config &config, uint32_t boot);
// Hears what servers say, and sends what is due. Waits for nothing.
void poll();
bool is_there();
// Whether a server's answer may come, or something is due, before the next tick.
bool is_busy();
// For STAT?: `static` or the DHCP client's state, and the address.
void write_state(pk::TextWriter &out);

#endif

}  // namespace address
