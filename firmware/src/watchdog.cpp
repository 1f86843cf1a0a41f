#include "watchdog.h"

#include <Arduino.h>
#include <avr/wdt.h>

namespace watchdog {

void restart()
{
    Serial.flush();
    wdt_enable(WDTO_15MS);
    for (;;) {
    }
}

}  // namespace watchdog
