// The POST of a reading (docs/architecture.md section 5).
#pragma once
#include <stdint.h>

#include "config.h"
#include "queue.h"
#include "text.h"

namespace pk {

// Longest request: every number at its largest.
const uint16_t REQUEST_BYTES = 320;

// <boot>-<seq>
void write_key(TextWriter &out, uint32_t boot, uint32_t seq);
// The whole request; age_s 0 leaves the age out. False where the buffer is too small.
bool write_request(TextWriter &out, const Config &config, uint32_t boot, const Reading &reading, uint32_t age_s);

}  // namespace pk
