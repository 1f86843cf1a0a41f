#include "nvm.h"

#include <Arduino.h>
#include <string.h>

namespace nvm {
namespace {

const uint16_t PAGE_BYTES = 64, ROW_BYTES = 4 * PAGE_BYTES;
static_assert(FLASH_PAGE_SIZE == PAGE_BYTES, "the SAM D21's pages");
const uint32_t FIRST = FLASH_SIZE - ROWS * ROW_BYTES;

uintptr_t address_of(uint16_t number) { return FLASH_ADDR + FIRST + number * PAGE_BYTES; }

void await_ready()
{
    while (!(NVMCTRL->INTFLAG.reg & NVMCTRL_INTFLAG_READY)) {
    }
}

void command(uint16_t code)
{
    await_ready();
    NVMCTRL->CTRLA.reg = static_cast<uint16_t>(NVMCTRL_CTRLA_CMDEX_KEY | code);
    await_ready();
}

// The controller's cache does not see what the commands change.
void forget_cache() { command(NVMCTRL_CTRLA_CMD_INVALL); }

}  // namespace

const uint8_t *page(uint16_t number) { return reinterpret_cast<const uint8_t *>(address_of(number)); }

void erase_row(uint16_t row)
{
    await_ready();
    NVMCTRL->ADDR.reg = (FIRST + row * ROW_BYTES) / 2;  // counted in half-words (section 22.8.1, note)
    command(NVMCTRL_CTRLA_CMD_ER);
    forget_cache();
}

// Stores into the flash's addresses fill the page buffer, in words (section 22.6.4.3); automatic writes are off, as the
// core's start sets CTRLB.MANW.
void write_page(uint16_t number, const uint8_t *content)
{
    volatile uint32_t *to = reinterpret_cast<volatile uint32_t *>(address_of(number));
    command(NVMCTRL_CTRLA_CMD_PBC);
    for (uint16_t at = 0; at < PAGE_BYTES; at = static_cast<uint16_t>(at + sizeof *to)) {
        uint32_t word;
        memcpy(&word, content + at, sizeof word);
        *to++ = word;
    }
    NVMCTRL->ADDR.reg = (FIRST + number * PAGE_BYTES) / 2;
    command(NVMCTRL_CTRLA_CMD_WP);
    forget_cache();
}

}  // namespace nvm
