#include "state.h"

#include "pins.h"
#include "watchdog.h"

namespace state {
namespace {

pk::State current_state = pk::STATE_BOOT;

}  // namespace

void enter(pk::State next)
{
    current_state = next;
    watchdog::feed(next);
    LED_DDR |= _BV(LED_BIT);
    if (pk::state_row(next).led == pk::LED_ON)
        LED_PORT |= _BV(LED_BIT);
    else
        LED_PORT &= static_cast<uint8_t>(~_BV(LED_BIT));
}

pk::State current() { return current_state; }

}  // namespace state
