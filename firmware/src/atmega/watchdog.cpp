// The ATmega's own (DS40002061B section 11.8), which resets at once.
#include "watchdog.h"

#include <Arduino.h>
#include <avr/wdt.h>

#include "events.h"

namespace watchdog {
namespace {

const uint16_t MAGIC = 0x57A7;

// Not cleared at the start, so that one boot can tell of the one before; after power-on it holds anything.
struct Memory {
    uint16_t magic, hangs;
    uint8_t state;
    bool restarting;
};

Memory memory __attribute__((section(".noinit")));

}  // namespace

void begin(uint8_t cause)
{
    if ((cause & _BV(PORF)) || memory.magic != MAGIC) {
        memory.magic = MAGIC;
        memory.hangs = 0;
    } else if ((cause & _BV(WDRF)) && !memory.restarting) {
        memory.hangs++;
        events::Line line(PSTR("hang"), events::ERROR);
        line.field(PSTR("state")).text(pk::state_row(static_cast<pk::State>(memory.state % pk::STATES)).name);
        line.count(PSTR("hangs"), memory.hangs);
    }
    memory.restarting = false;
    wdt_enable(WDTO_8S);
}

void feed(pk::State state)
{
    memory.state = static_cast<uint8_t>(state);
    wdt_reset();
}

uint16_t hangs() { return memory.hangs; }

void restart()
{
    Serial.flush();
    memory.restarting = true;
    wdt_enable(WDTO_15MS);
    for (;;) {
    }
}

}  // namespace watchdog
