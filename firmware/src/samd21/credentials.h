// Settings of the network beside pk::Config: the wireless network's name and passphrase. Their record is behind the others.
#pragma once
#include "wifi_settings.h"

namespace credentials {

// What the board works with; as with the configuration, changes count from the next start on.
pk::WifiSettings load();
// Carries out a console line that pk::parse_line does not know.
pk::Error carry_out(const char *line, pk::TextWriter &reply);
bool are_usable();
// CONF:SAVE: writes them; the configuration is written next, and both are committed together.
void save();
// CONF:LOAD:DEF
void forget();

}  // namespace credentials
