// Name and passphrase of a wireless network: their record, and CONF:WIFI:… on the console (docs/console.md).
#pragma once
#include <stdint.h>

#include "error_queue.h"
#include "text.h"

namespace pk {

const uint8_t SSID_LONGEST = 32;  // IEEE 802.11 section 9.4.2.2
const uint8_t PASSPHRASE_SHORTEST = 8, PASSPHRASE_LONGEST = 63;  // IEEE 802.11 annex J.4.1
const uint8_t WIFI_RECORD_BYTES = 102;

struct WifiSettings {
    char ssid[SSID_LONGEST + 1];              // "": none yet
    char passphrase[PASSPHRASE_LONGEST + 1];  // "": an open network
};

WifiSettings no_wifi();
void encode_wifi(const WifiSettings &settings, uint8_t record[WIFI_RECORD_BYTES]);
// False where the record has another magic, a wrong CRC or values that cannot be.
bool decode_wifi(const uint8_t record[WIFI_RECORD_BYTES], WifiSettings *settings);
// Carries out a console line; ERROR_UNDEFINED_HEADER where it is none of CONF:WIFI:….
Error configure_wifi(const char *line, WifiSettings *settings, TextWriter &reply);

}  // namespace pk
