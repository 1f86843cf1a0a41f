// Who this firmware is: version, git hash, and a seal that names the very ELF (scripts/seal.py).
#pragma once
#include "text.h"

namespace identity {

// 0.1.0+abc1234
void write_version(pk::TextWriter &out);
// PlantKeeper,uno,<id>,0.1.0+abc1234.elf-0123456789abcdef: IEEE 488.2 section 10.14.
void write(pk::TextWriter &out, int32_t id);

}  // namespace identity
