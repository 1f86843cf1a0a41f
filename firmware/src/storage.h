// Configuration records, boot counter and journal in EEPROM (docs/architecture.md section 3), or what stands for one.
#pragma once
#include <stdint.h>

#include "config.h"
#include "journal.h"

namespace storage {

void begin();
bool load_config(pk::Config *config);
// A power cut at any moment leaves the old or the new one. False where the EEPROM does not hold what was written.
bool save_config(const pk::Config &config);
// Counts this boot; the number is stored before it is returned, so that it never repeats.
uint32_t count_boot();

// Readings that wait; open() it with this boot's number. It is changed by the functions below.
pk::Journal &journal();
// As the journal's: durable on return.
bool append(const pk::Reading &reading);
void pop();
void drop();

}  // namespace storage
