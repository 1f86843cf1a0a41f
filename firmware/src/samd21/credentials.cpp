#include "credentials.h"

#include "eeprom.h"

namespace credentials {
namespace {

pk::WifiSettings staged = pk::no_wifi();
bool is_loaded;

pk::WifiSettings &changed()
{
    if (!is_loaded) staged = load();
    is_loaded = true;
    return staged;
}

}  // namespace

pk::WifiSettings load()
{
    uint8_t record[pk::WIFI_RECORD_BYTES];
    pk::WifiSettings settings = pk::no_wifi();
    eeprom::read_block(record, eeprom::WIFI_AT, sizeof record);
    pk::decode_wifi(record, &settings);
    return settings;
}

pk::Error carry_out(const char *line, pk::TextWriter &reply) { return pk::configure_wifi(line, &changed(), reply); }

bool are_usable() { return changed().ssid[0] != 0; }

void save()
{
    uint8_t record[pk::WIFI_RECORD_BYTES];
    pk::encode_wifi(changed(), record);
    for (uint8_t i = 0; i < pk::WIFI_RECORD_BYTES; i++)
        eeprom::write(static_cast<uint16_t>(eeprom::WIFI_AT + i), record[i]);
}

void forget() { changed() = pk::no_wifi(); }

}  // namespace credentials
