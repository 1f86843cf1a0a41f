#include "wifi_settings.h"

#include <string.h>

#include "crc16.h"
#include "grammar.h"

namespace pk {
namespace {

// A record: magic, name and passphrase with zeros behind them, CRC-16 of all before (little-endian).
const uint8_t MAGIC[4] = {'P', 'K', 'W', '1'};
const uint8_t SSID_AT = 4, PASSPHRASE_AT = SSID_AT + SSID_LONGEST + 1, CRC_AT = WIFI_RECORD_BYTES - 2;
static_assert(PASSPHRASE_AT + PASSPHRASE_LONGEST <= CRC_AT, "the record holds both");

const uint8_t HEADER_SSID = 0, WIFI_HEADERS = 2;

const char HEADERS[] PK_FLASH =
    "CONFigure:WIFI:SSID=\0"
    "CONFigure:WIFI:PASSphrase!\0";

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

bool are_possible(const WifiSettings &settings)
{
    const size_t length = strlen(settings.passphrase);
    return length == 0 || length >= PASSPHRASE_SHORTEST;
}

}  // namespace

WifiSettings no_wifi()
{
    WifiSettings none;
    memset(&none, 0, sizeof none);
    return none;
}

void encode_wifi(const WifiSettings &settings, uint8_t record[WIFI_RECORD_BYTES])
{
    memset(record, 0, WIFI_RECORD_BYTES);
    memcpy(record, MAGIC, sizeof MAGIC);
    memcpy(record + SSID_AT, settings.ssid, strlen(settings.ssid));
    memcpy(record + PASSPHRASE_AT, settings.passphrase, strlen(settings.passphrase));
    const uint16_t crc = crc16(record, CRC_AT);
    record[CRC_AT] = static_cast<uint8_t>(crc);
    record[CRC_AT + 1] = static_cast<uint8_t>(crc >> 8);
}

bool decode_wifi(const uint8_t record[WIFI_RECORD_BYTES], WifiSettings *settings)
{
    const uint16_t stored = static_cast<uint16_t>(record[CRC_AT] | record[CRC_AT + 1] << 8);
    if (memcmp(record, MAGIC, sizeof MAGIC) != 0 || stored != crc16(record, CRC_AT)) return false;
    WifiSettings read = no_wifi();
    memcpy(read.ssid, record + SSID_AT, SSID_LONGEST);
    memcpy(read.passphrase, record + PASSPHRASE_AT, PASSPHRASE_LONGEST);
    if (!are_possible(read)) return false;
    *settings = read;
    return true;
}

Error configure_wifi(const char *text, WifiSettings *settings, TextWriter &reply)
{
    const Line line = parse_line(text, HEADERS, WIFI_HEADERS);
    const uint8_t header = static_cast<uint8_t>(line.header);
    if (header == WIFI_HEADERS) return ERROR_UNDEFINED_HEADER;
    if (line.query) {
        if (*line.parameters) return ERROR_PARAMETER_NOT_ALLOWED;
        write_string(reply, settings->ssid);
        return ERROR_NONE;
    }
    const char *parameters = line.parameters;
    char given[PASSPHRASE_LONGEST + 1];
    const bool is_ssid = header == HEADER_SSID;
    if (!*parameters) return ERROR_MISSING_PARAMETER;
    bool fits;
    if (!parse_string(&parameters, given, is_ssid ? SSID_LONGEST : PASSPHRASE_LONGEST, &fits)) return ERROR_DATA_TYPE;
    if (*parameters) return ERROR_PARAMETER_NOT_ALLOWED;
    if (!fits) return ERROR_OUT_OF_RANGE;
    for (const char *c = given; *c; c++)
        if (!is_printable(*c)) return ERROR_OUT_OF_RANGE;
    WifiSettings changed = *settings;
    if (is_ssid && !*given) return ERROR_OUT_OF_RANGE;
    memset(is_ssid ? changed.ssid : changed.passphrase, 0, is_ssid ? sizeof changed.ssid : sizeof changed.passphrase);
    memcpy(is_ssid ? changed.ssid : changed.passphrase, given, strlen(given));
    if (!are_possible(changed)) return ERROR_OUT_OF_RANGE;
    *settings = changed;
    return ERROR_NONE;
}

}  // namespace pk
