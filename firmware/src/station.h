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
// Takes a reading into the journal. False where a sensor failed.
bool take();
// Whether a reading waits, and the pause after the last failure is over or the link is back.
bool delivery_is_due();
bool delivery_is_due_within(uint8_t seconds);
// One attempt with the oldest.
void deliver();
// Takes a reading and tries to deliver all that wait, whatever the pause, until an attempt fails.
// False where a sensor failed; else the reading's number and the last attempt's status (0: no answer).
bool post_now(uint32_t *seq, uint16_t *status);
const Counts &counts();
uint8_t waiting();

}  // namespace station
