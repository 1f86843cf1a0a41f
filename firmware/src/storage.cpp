#include "storage.h"

#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <string.h>

#include "bootcount.h"
#include "clock.h"

namespace storage {
namespace {

uint8_t *at(uint16_t address) { return reinterpret_cast<uint8_t *>(address); }

const uint16_t BOOT_AT = 64, BOOT_STRIDE = 16, CONFIG_AT = 128, CONFIG_STRIDE = 128, JOURNAL_AT = 344;
const uint8_t JOURNAL_SLOTS = 40;  // to the end of the 1024 bytes

// A byte takes 3.4 ms (DS40002061B section 8.4.2), which the CPU sleeps through.
void sleep_while_writing()
{
    for (;;) {
        cli();
        if (!(EECR & _BV(EEPE))) break;
        EECR |= _BV(EERIE);
        clock::sleep_until_event();
    }
    EECR &= static_cast<uint8_t>(~_BV(EERIE));
    sei();
}

void write_byte(uint8_t *address, uint8_t value)
{
    eeprom_update_byte(address, value);
    sleep_while_writing();
}

void write_block(const uint8_t *data, uint8_t *address, uint8_t length)
{
    while (length--) write_byte(address++, *data++);
}

class Eeprom : public pk::ByteStore {
public:
    uint8_t read(uint16_t address) const { return eeprom_read_byte(at(address)); }
    void write(uint16_t address, uint8_t value) { write_byte(at(address), value); }
};

Eeprom eeprom;
pk::Journal waiting_readings(eeprom, JOURNAL_AT, JOURNAL_SLOTS);


pk::ConfigPlace read_slots(pk::Config *config)
{
    uint8_t slots[pk::CONFIG_SLOTS][pk::CONFIG_BYTES];
    for (uint8_t slot = 0; slot < pk::CONFIG_SLOTS; slot++)
        eeprom_read_block(slots[slot], at(CONFIG_AT + slot * CONFIG_STRIDE), pk::CONFIG_BYTES);
    return pk::newest_config(slots, config);
}

}  // namespace

// Asks again and again while it is not served: it only ends the sleep.
ISR(EE_READY_vect) { EECR &= static_cast<uint8_t>(~_BV(EERIE)); }

bool load_config(pk::Config *config) { return read_slots(config).found; }

bool save_config(const pk::Config &config)
{
    pk::Config newest;
    const pk::ConfigPlace place = read_slots(&newest);
    uint8_t record[pk::CONFIG_BYTES];
    pk::encode_config(config, place.next_generation, record);
    uint8_t *slot = at(CONFIG_AT + place.next_slot * CONFIG_STRIDE);
    // The first byte of the magic goes first and comes last: whenever power fails, this slot counts whole or not at all.
    write_byte(slot, 0xFF);
    write_block(record + 1, slot + 1, pk::CONFIG_BYTES - 1);
    write_byte(slot, record[0]);
    uint8_t written[pk::CONFIG_BYTES];
    eeprom_read_block(written, slot, sizeof written);
    return memcmp(written, record, sizeof written) == 0;
}

uint32_t count_boot()
{
    uint8_t slots[pk::BOOT_SLOTS][pk::BOOT_SLOT_BYTES];
    for (uint8_t slot = 0; slot < pk::BOOT_SLOTS; slot++)
        eeprom_read_block(slots[slot], at(BOOT_AT + slot * BOOT_STRIDE), pk::BOOT_SLOT_BYTES);
    pk::BootCounter next = pk::next_boot(slots);
    pk::encode_boot(next.count, slots[next.slot]);
    write_block(slots[next.slot], at(BOOT_AT + next.slot * BOOT_STRIDE), pk::BOOT_SLOT_BYTES);
    return next.count;
}

pk::Journal &journal() { return waiting_readings; }

}  // namespace storage
