// Memory that outlives a power cut: the EEPROM's 1024 bytes (DS40002061B section 8.4).
#pragma once
#include <avr/eeprom.h>
#include <stdint.h>

namespace eeprom {

inline uint8_t *at(uint16_t address) { return reinterpret_cast<uint8_t *>(address); }
inline void begin() {}
inline uint8_t read(uint16_t address) { return eeprom_read_byte(at(address)); }
inline void read_block(uint8_t *data, uint16_t address, uint16_t length) { eeprom_read_block(data, at(address), length); }
// Written on return: the CPU sleeps through the 3.4 ms that a byte takes (section 8.6.3, EEPROM Mode Bits).
void write(uint16_t address, uint8_t value);
// All that was written is durable. False where it is not.
inline bool commit() { return true; }
// Forgets what was written and not committed.
inline void revert() {}

}  // namespace eeprom
