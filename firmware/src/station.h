// The board's work: takes readings, keeps them in the journal, hands them to the gateway.
#pragma once
#include "config.h"
#include "reading.h"

namespace station {

struct Counts {
    uint32_t taken, delivered, dropped;
};

// Readings carry this boot number; `config` must stay where it is.
void begin(const pk::Config &config, uint32_t boot);
// Takes a reading into the journal and opens a round of attempts. False where a sensor failed.
bool take();
// Attempts that are due now.
void deliver_due();
// Whether attempts are still to come in this round.
bool round_open();
// Takes a reading and tries to deliver all that wait at once, until an attempt fails.
// False where a sensor failed; else the reading's number and the last attempt's status (0: no answer).
bool post_now(uint32_t *seq, uint16_t *status);
const Counts &counts();
uint8_t waiting();

}  // namespace station
