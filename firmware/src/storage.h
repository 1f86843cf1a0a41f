// EEPROM: configuration record and boot counter (docs/architecture.md section 3).
#pragma once
#include <stdint.h>

#include "config.h"

namespace storage {

bool load_config(pk::Config *config);
void save_config(const pk::Config &config);
// Counts this boot; the number is stored before it is returned, so that it never repeats.
uint32_t count_boot();

}  // namespace storage
