// The flash's last 16 KiB, which are the program's to write: rows of four pages of 64 bytes.
// Ref: SAM D21 data sheet (DS40001882) chapter 22, NVMCTRL.
#pragma once
#include <stdint.h>

namespace nvm {

const uint16_t ROWS = 64;

// The content of a page.
const uint8_t *page(uint16_t number);
// The CPU stands still for some 6 ms.
void erase_row(uint16_t row);
// Of an erased page; 2.5 ms.
void write_page(uint16_t number, const uint8_t *content);

}  // namespace nvm
