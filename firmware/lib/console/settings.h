// CONF:…: reads and changes a configuration by the console's lines. Nothing is stored here.
#pragma once
#include "config.h"
#include "error_queue.h"
#include "grammar.h"

namespace pk {

// Carries out a line whose header is one of HEADER_ID … HEADER_KEY; a query's answer goes to `reply`.
Error configure(const Line &line, Config *config, TextWriter &reply);

}  // namespace pk
