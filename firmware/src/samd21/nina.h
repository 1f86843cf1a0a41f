// The NINA module by Arduino's WiFiNINA: one TCP connection. The same functions as w5500.h.
//
// WiFiNINA blocks: connect() for as long as it is told, which needs module firmware 3 or later, write() for up to 2.5 s, and
// stop() until the module has closed, at most 5 s. Joining a network is left to the module, and looked after when asked.
#pragma once
#include <stdint.h>

#include "config.h"

namespace nina {

enum Result { OK, NO_LINK, CONNECT_FAILED, TIMED_OUT, CLOSED };

// Starts to join the network. False where no module answers.
bool begin(const pk::Config &config);
bool is_present();
// Name of the event that says so, in flash.
const char *absence();
// Whether the network was joined; where not, tries again every 20 s for as long as somebody asks.
bool link_is_up();
// At most 2 s. The module chooses the source port.
Result connect(const uint8_t address[4], uint16_t port, uint16_t source_port);
// Adds to what send() will send: up to 1 KiB.
void put(const uint8_t *data, uint16_t length);
Result send();
// Waits for bytes; 0 with *result CLOSED or TIMED_OUT where none came.
uint16_t receive(uint8_t *data, uint16_t size, uint16_t timeout_ms, Result *result);
void disconnect();

}  // namespace nina
