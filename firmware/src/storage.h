// EEPROM: configuration records, boot counter and journal (docs/architecture.md section 3).
#pragma once
#include <stdint.h>

#include "config.h"
#include "journal.h"

namespace storage {

bool load_config(pk::Config *config);
// A power cut at any moment leaves the old or the new one. False where the EEPROM does not hold what was written.
bool save_config(const pk::Config &config);
// Counts this boot; the number is stored before it is returned, so that it never repeats.
uint32_t count_boot();

// Readings that wait; open() it with this boot's number.
pk::Journal &journal();

}  // namespace storage
