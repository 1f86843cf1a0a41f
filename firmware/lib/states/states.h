// What the board can be doing, and how one thing follows another (docs/firmware.md, "States").
#pragma once
#include <stdint.h>

namespace pk {

enum State {
    STATE_BOOT,
    STATE_SELF_TEST,
    STATE_CONFIGURE,
    STATE_SAMPLE,
    STATE_LINK_UP,
    STATE_SEND,
    STATE_BACK_OFF,
    STATE_SLEEP,
    STATES
};

enum Led { LED_OFF, LED_ON, LED_FLASH };  // a flash: 30 ms every 4 s

// In flash. Deadline 0: the state only waits, and the loop goes round at least every 4 s.
struct StateRow {
    char name[10];
    uint8_t exits;  // bits of the states that may follow
    uint8_t led;
    uint16_t deadline_ms;
};

StateRow state_row(State state);
inline bool may_follow(State before, State after) { return (state_row(before).exits >> after & 1) != 0; }

}  // namespace pk
