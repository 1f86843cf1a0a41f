// The SAM D21's watchdog (DS40001882 chapter 18): after 8 s without a sign of life its early warning writes down where the
// board hangs, and 8 s later it resets. RAM does not do for that: the boot loader, which runs at every start, uses it.
#include "watchdog.h"

#include <Arduino.h>
#include <string.h>

#include "events.h"
#include "nvm.h"
#include "reset_cause.h"

namespace watchdog {
namespace {

const uint16_t ROW = nvm::ROWS - 1, PAGE = ROW * 4;
const uint16_t MAGIC = 0x57A7;
const uint8_t GENERATOR = 2, DIVIDE_BY_32 = 4;      // of the 32 kHz oscillator: 1024 Hz
const uint8_t CLOCKS_8192 = 0xA, CLOCKS_16384 = 0xB;  // of EWCTRL and CONFIG
const uint8_t NOWHERE = 0xFF;                       // the warning could not run: interrupts were off

// What outlives a hang, in a row of flash of its own, which is written at hangs only.
struct Memory {
    uint16_t magic, hangs;
    uint8_t state;
    bool told;
};

volatile uint8_t current_state;
uint16_t counted;

Memory remembered()
{
    Memory memory;
    memcpy(&memory, nvm::page(PAGE), sizeof memory);
    if (memory.magic != MAGIC) memory.hangs = 0, memory.told = true;
    return memory;
}

void remember(uint16_t hangs, uint8_t state, bool told)
{
    uint8_t page[64];
    Memory memory;
    memset(&memory, 0, sizeof memory);
    memory.magic = MAGIC;
    memory.hangs = hangs;
    memory.state = state;
    memory.told = told;
    memset(page, 0xFF, sizeof page);
    memcpy(page, &memory, sizeof memory);
    nvm::erase_row(ROW);
    nvm::write_page(PAGE, page);
}

void await_sync()
{
    while (WDT->STATUS.reg & WDT_STATUS_SYNCBUSY) {
    }
}

void start()
{
    GCLK->GENDIV.reg = GCLK_GENDIV_ID(GENERATOR) | GCLK_GENDIV_DIV(DIVIDE_BY_32);
    GCLK->GENCTRL.reg = GCLK_GENCTRL_ID(GENERATOR) | GCLK_GENCTRL_GENEN | GCLK_GENCTRL_SRC_OSCULP32K | GCLK_GENCTRL_DIVSEL;
    while (GCLK->STATUS.reg & GCLK_STATUS_SYNCBUSY) {
    }
    GCLK->CLKCTRL.reg = GCLK_CLKCTRL_ID_WDT | GCLK_CLKCTRL_CLKEN | GCLK_CLKCTRL_GEN_GCLK2;
    WDT->CTRL.reg = 0;
    await_sync();
    WDT->CONFIG.reg = WDT_CONFIG_PER(CLOCKS_16384);
    WDT->EWCTRL.reg = WDT_EWCTRL_EWOFFSET(CLOCKS_8192);
    WDT->INTENSET.reg = WDT_INTENSET_EW;
    NVIC_EnableIRQ(WDT_IRQn);
    WDT->CTRL.reg = WDT_CTRL_ENABLE;
    await_sync();
}

void say_hang(const Memory &memory)
{
    events::Line line(PSTR("hang"), events::ERROR);
    line.field(PSTR("state"));
    if (memory.state == NOWHERE)
        line.text("unknown");
    else
        line.text(pk::state_row(static_cast<pk::State>(memory.state % pk::STATES)).name);
    line.count(PSTR("hangs"), memory.hangs);
}

}  // namespace

void begin(uint8_t cause)
{
    Memory memory = remembered();
    if ((cause & reset_cause::POWER_ON) && memory.magic == MAGIC) {
        nvm::erase_row(ROW);
        memory.hangs = 0;
    } else if (cause & reset_cause::WATCHDOG) {
        if (memory.told) memory.hangs++, memory.state = NOWHERE;
        say_hang(memory);
        remember(memory.hangs, memory.state, true);
    }
    counted = memory.hangs;
    start();
}

void feed(pk::State state)
{
    current_state = static_cast<uint8_t>(state);
    // A clear that is still under way (some ms: the watchdog's clock is slow) does as well.
    if (!(WDT->STATUS.reg & WDT_STATUS_SYNCBUSY)) WDT->CLEAR.reg = WDT_CLEAR_CLEAR_KEY;
}

uint16_t hangs() { return counted; }

void restart()
{
    Serial.flush();
    NVIC_SystemReset();
}

}  // namespace watchdog

// The early warning. What hangs does not go on: the reset follows.
extern "C" void WDT_Handler(void)
{
    watchdog::remember(static_cast<uint16_t>(watchdog::counted + 1), watchdog::current_state, false);
    for (;;) __WFI();
}
