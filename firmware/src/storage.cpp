#include "storage.h"

#include <avr/eeprom.h>

#include "bootcount.h"

namespace storage {
namespace {

uint8_t *at(uint16_t address) { return reinterpret_cast<uint8_t *>(address); }

const uint16_t CONFIG_AT = 0, BOOT_AT = 64, BOOT_STRIDE = 16;

}  // namespace

bool load_config(pk::Config *config)
{
    uint8_t record[pk::CONFIG_BYTES];
    eeprom_read_block(record, at(CONFIG_AT), sizeof record);
    return pk::decode_config(record, config);
}

void save_config(const pk::Config &config)
{
    uint8_t record[pk::CONFIG_BYTES];
    pk::encode_config(config, record);
    eeprom_update_block(record, at(CONFIG_AT), sizeof record);
}

uint32_t count_boot()
{
    uint8_t slots[pk::BOOT_SLOTS][pk::BOOT_SLOT_BYTES];
    for (uint8_t slot = 0; slot < pk::BOOT_SLOTS; slot++)
        eeprom_read_block(slots[slot], at(BOOT_AT + slot * BOOT_STRIDE), pk::BOOT_SLOT_BYTES);
    pk::BootCounter next = pk::next_boot(slots);
    pk::encode_boot(next.count, slots[next.slot]);
    eeprom_update_block(slots[next.slot], at(BOOT_AT + next.slot * BOOT_STRIDE), pk::BOOT_SLOT_BYTES);
    return next.count;
}

}  // namespace storage
