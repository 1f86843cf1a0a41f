#include "storage.h"

#include "bootcount.h"
#include "eeprom.h"

namespace storage {
namespace {

const uint16_t BOOT_AT = 64, BOOT_STRIDE = 16, CONFIG_AT = 128, CONFIG_STRIDE = 128, JOURNAL_AT = 344;
const uint8_t JOURNAL_SLOTS = 40;  // to the end of the 1024 bytes

void write_block(const uint8_t *data, uint16_t address, uint8_t length)
{
    while (length--) eeprom::write(address++, *data++);
}

class Store : public pk::ByteStore {
public:
    uint8_t read(uint16_t address) const { return eeprom::read(address); }
    void write(uint16_t address, uint8_t value) { eeprom::write(address, value); }
};

Store store;
pk::Journal waiting_readings(store, JOURNAL_AT, JOURNAL_SLOTS);

pk::ConfigPlace read_slots(pk::Config *config)
{
    uint8_t slots[pk::CONFIG_SLOTS][pk::CONFIG_BYTES];
    for (uint8_t slot = 0; slot < pk::CONFIG_SLOTS; slot++)
        eeprom::read_block(slots[slot], static_cast<uint16_t>(CONFIG_AT + slot * CONFIG_STRIDE), pk::CONFIG_BYTES);
    return pk::newest_config(slots, config);
}

// Apart, so that what it reads is off the stack again before a record is made.
__attribute__((noinline)) pk::ConfigPlace next_place()
{
    pk::Config newest;
    return read_slots(&newest);
}

bool holds(uint16_t address, const uint8_t *data, uint8_t length)
{
    while (length--)
        if (eeprom::read(address++) != *data++) return false;
    return true;
}

// What is not durable does not count.
bool commit()
{
    if (eeprom::commit()) return true;
    eeprom::revert();
    return false;
}

}  // namespace

void begin() { eeprom::begin(); }

bool load_config(pk::Config *config) { return read_slots(config).found; }

bool save_config(const pk::Config &config)
{
    const pk::ConfigPlace place = next_place();
    uint8_t record[pk::CONFIG_BYTES];
    pk::encode_config(config, place.next_generation, record);
    const uint16_t slot = static_cast<uint16_t>(CONFIG_AT + place.next_slot * CONFIG_STRIDE);
    // The first byte of the magic goes first and comes last: whenever power fails, this slot counts whole or not at all.
    eeprom::write(slot, 0xFF);
    write_block(record + 1, static_cast<uint16_t>(slot + 1), pk::CONFIG_BYTES - 1);
    eeprom::write(slot, record[0]);
    return commit() && holds(slot, record, sizeof record);
}

uint32_t count_boot()
{
    uint8_t slots[pk::BOOT_SLOTS][pk::BOOT_SLOT_BYTES];
    for (uint8_t slot = 0; slot < pk::BOOT_SLOTS; slot++)
        eeprom::read_block(slots[slot], static_cast<uint16_t>(BOOT_AT + slot * BOOT_STRIDE), pk::BOOT_SLOT_BYTES);
    pk::BootCounter next = pk::next_boot(slots);
    pk::encode_boot(next.count, slots[next.slot]);
    write_block(slots[next.slot], static_cast<uint16_t>(BOOT_AT + next.slot * BOOT_STRIDE), pk::BOOT_SLOT_BYTES);
    eeprom::commit();
    return next.count;
}

pk::Journal &journal() { return waiting_readings; }

bool append(const pk::Reading &reading)
{
    if (!waiting_readings.append(reading)) return false;
    if (commit()) return true;
    waiting_readings.open(reading.boot);
    return false;
}

void pop()
{
    waiting_readings.pop();
    eeprom::commit();
}

void drop()
{
    waiting_readings.drop();
    eeprom::commit();
}

}  // namespace storage
