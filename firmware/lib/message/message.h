// The POST of a reading (docs/architecture.md section 5).
#pragma once
#include <stdint.h>

#include "config.h"
#include "reading.h"
#include "text.h"

namespace pk {

// <boot>-<seq>
void write_key(TextWriter &out, uint32_t boot, uint32_t seq);
// The whole request, signed where there is a key; age_s 0 leaves the age out.
void write_request(TextWriter &out, const Config &config, const Reading &reading, uint32_t age_s);

}  // namespace pk
