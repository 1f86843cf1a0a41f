#include "bootcount.h"

#include "crc16.h"

namespace pk {
namespace {

// 0 where the slot is erased or torn.
uint32_t decode_boot(const uint8_t slot[BOOT_SLOT_BYTES])
{
    uint16_t stored = static_cast<uint16_t>(slot[4] | slot[5] << 8);
    if (stored != crc16(slot, 4)) return 0;
    uint32_t count = 0;
    for (int8_t i = 3; i >= 0; i--) count = count << 8 | slot[i];
    return count;
}

}  // namespace

BootCounter next_boot(const uint8_t slots[BOOT_SLOTS][BOOT_SLOT_BYTES])
{
    uint32_t first = decode_boot(slots[0]), second = decode_boot(slots[1]);
    BootCounter next;
    next.count = (first > second ? first : second) + 1;
    next.slot = first > second ? 1 : 0;  // never over the newest
    return next;
}

void encode_boot(uint32_t count, uint8_t slot[BOOT_SLOT_BYTES])
{
    for (uint8_t i = 0; i < 4; i++) slot[i] = static_cast<uint8_t>(count >> (8 * i));
    uint16_t crc = crc16(slot, 4);
    slot[4] = static_cast<uint8_t>(crc);
    slot[5] = static_cast<uint8_t>(crc >> 8);
}

}  // namespace pk
