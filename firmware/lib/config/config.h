// The board's configuration record in EEPROM (docs/architecture.md section 3).
#pragma once
#include <stdint.h>

namespace pk {

const uint16_t CONFIG_BYTES = 38;

struct Config {
    int32_t id;  // the device's number at the backend; 0: not configured
    uint8_t mac[6];
    uint8_t address[4], mask[4], router[4], gateway[4];
    uint16_t gateway_port;
    uint16_t period_s;
};

// What an unconfigured board starts from: everything but the id.
Config default_config();
// True where the values can be worked with: id above 0, port above 0, period 4…65532 s in steps of 4.
bool is_usable(const Config &config);
// False where the record has another magic, a wrong CRC or values that cannot be used.
bool decode_config(const uint8_t record[CONFIG_BYTES], Config *config);
void encode_config(const Config &config, uint8_t record[CONFIG_BYTES]);

}  // namespace pk
