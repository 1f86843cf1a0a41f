// The boot counter in EEPROM: two slots with a CRC each, written in turn, so that a power cut during a
// write leaves the other slot whole and a number is never given out twice.
#pragma once
#include <stdint.h>

namespace pk {

const uint16_t BOOT_SLOT_BYTES = 6;  // counter, little-endian, and its CRC-16
const uint8_t BOOT_SLOTS = 2;

struct BootCounter {
    uint32_t count;  // of this boot, from 1
    uint8_t slot;    // where `count` must be stored before it is used
};

// The number of this boot from what the slots hold.
BootCounter next_boot(const uint8_t slots[BOOT_SLOTS][BOOT_SLOT_BYTES]);
void encode_boot(uint32_t count, uint8_t slot[BOOT_SLOT_BYTES]);

}  // namespace pk
