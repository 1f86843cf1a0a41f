// One attempt to hand a reading to the gateway.
#pragma once
#include <stdint.h>

#include "config.h"
#include "reading.h"

namespace poster {

enum Outcome { DELIVERED, REFUSED, UNAUTHORISED, BUSY, NO_LINK, NO_ADDRESS, CONNECT, TIMEOUT, CLOSED, BROKEN, STATUS };

struct Attempt {
    Outcome outcome;
    uint16_t status;         // 0 where no status line came
    uint16_t retry_after_s;  // 0 where the gateway did not ask for a pause
};

// attempt: counts the attempts for this reading, from 1.
Attempt post(const pk::Config &config, const pk::Reading &reading, uint32_t age_s, uint8_t attempt);
// Name of a failed outcome for the event line, in flash.
const char *reason(Outcome outcome);

}  // namespace poster
