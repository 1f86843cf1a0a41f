#include "eeprom.h"

#include "flash_eeprom.h"
#include "nvm.h"

namespace eeprom {
namespace {

const uint16_t ROWS = nvm::ROWS - 1;  // the last one is the watchdog's

class Rows : public pk::Flash {
public:
    const uint8_t *page(uint16_t number) const { return nvm::page(number); }
    void erase_row(uint16_t row) { nvm::erase_row(row); }
    void write_page(uint16_t number, const uint8_t content[pk::FLASH_PAGE]) { nvm::write_page(number, content); }
};

Rows rows;
pk::FlashEeprom store(rows, ROWS);
static_assert(ROWS >= pk::FlashEeprom::FEWEST_ROWS, "the store needs room to go round");

}  // namespace

void begin() { store.open(); }

uint8_t read(uint16_t address) { return store.read(address); }

void read_block(uint8_t *data, uint16_t address, uint16_t length)
{
    while (length--) *data++ = store.read(address++);
}

void write(uint16_t address, uint8_t value) { store.write(address, value); }

bool commit() { return store.commit(); }

void revert() { store.open(); }

}  // namespace eeprom
