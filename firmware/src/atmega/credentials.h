// Settings of the network beside pk::Config: a board on a cable, or without a network, has none.
#pragma once
#include "error_queue.h"
#include "text.h"

namespace credentials {

// Carries out a console line that pk::parse_line does not know.
inline pk::Error carry_out(const char *, pk::TextWriter &) { return pk::ERROR_UNDEFINED_HEADER; }
inline bool are_usable() { return true; }
// CONF:SAVE: writes them; the configuration is written next, and both are committed together.
inline void save() {}
// CONF:LOAD:DEF
inline void forget() {}

}  // namespace credentials
