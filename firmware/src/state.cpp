#include "state.h"

#include "led.h"
#include "watchdog.h"

namespace state {
namespace {

pk::State current_state = pk::STATE_BOOT;

}  // namespace

void enter(pk::State next)
{
    current_state = next;
    watchdog::feed(next);
    led::begin();
    if (pk::state_row(next).led == pk::LED_ON)
        led::switch_on();
    else
        led::switch_off();
}

pk::State current() { return current_state; }

}  // namespace state
