#include "states.h"

#include <string.h>

#include "text.h"

namespace pk {
namespace {

constexpr uint8_t to(State state) { return static_cast<uint8_t>(1u << state); }

// A board at rest is in configure, back-off or sleep; from each a reading or a command starts work.
const uint8_t REST = to(STATE_BACK_OFF) | to(STATE_SLEEP);

const StateRow TABLE[STATES] PK_FLASH = {
    {"boot", to(STATE_SELF_TEST), LED_ON, 2000},
    {"self-test", to(STATE_CONFIGURE) | to(STATE_LINK_UP) | REST, LED_ON, 2000},
    {"configure", 0, LED_ON, 0},  // left by a restart
    {"sample", REST | to(STATE_LINK_UP), LED_ON, 5000},
    {"link-up", to(STATE_SEND) | to(STATE_BACK_OFF), LED_ON, 1000},
    {"send", to(STATE_LINK_UP) | REST, LED_ON, 7000},
    {"back-off", to(STATE_SAMPLE) | to(STATE_LINK_UP), LED_FLASH, 0},
    {"sleep", to(STATE_SAMPLE), LED_OFF, 0},
};

}  // namespace

StateRow state_row(State state)
{
    StateRow row;
#ifdef __AVR__
    memcpy_P(&row, TABLE + state, sizeof row);
#else
    memcpy(&row, TABLE + state, sizeof row);
#endif
    return row;
}

}  // namespace pk
