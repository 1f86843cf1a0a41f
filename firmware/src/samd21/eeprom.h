// Memory that outlives a power cut: bytes like an EEPROM's, in flash (lib/flash_eeprom).
#pragma once
#include <stdint.h>

namespace eeprom {

// Behind the 1024 bytes that are laid out as on other boards: the wireless network's record.
const uint16_t WIFI_AT = 1024;

void begin();
uint8_t read(uint16_t address);
void read_block(uint8_t *data, uint16_t address, uint16_t length);
// Durable by commit().
void write(uint16_t address, uint8_t value);
// All that was written is durable, or, where power fails before the return, nothing of it. False where the flash is worn out.
bool commit();
// Forgets what was written and not committed.
void revert();

}  // namespace eeprom
