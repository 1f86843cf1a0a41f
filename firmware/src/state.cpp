#include "state.h"

#include "events.h"
#include "led.h"
#include "watchdog.h"

namespace state {
namespace {

pk::State current_state = pk::STATE_BOOT;

}  // namespace

void enter(pk::State next)
{
    const pk::StateRow row = pk::state_row(next);
    if (events::level == events::DEBUG && next != current_state)
        events::Line(PSTR("state"), events::DEBUG).field(PSTR("name")).text(row.name);
    current_state = next;
    watchdog::feed(next);
    led::begin();
    if (row.led == pk::LED_ON)
        led::switch_on();
    else
        led::switch_off();
}

pk::State current() { return current_state; }

}  // namespace state
