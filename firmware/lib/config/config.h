// The board's configuration record in EEPROM (docs/architecture.md section 3).
#pragma once
#include <stdint.h>

#include "scales.h"

namespace pk {

const uint16_t CONFIG_BYTES = 82;
const uint8_t CONFIG_SLOTS = 2;
const uint8_t KEY_BYTES = 32;

struct Config {
    int32_t id;  // the device's number at the backend; 0: not configured
    uint8_t mac[6];
    uint8_t address[4], mask[4], router[4], gateway[4];
    uint16_t gateway_port;
    uint16_t period_s;
    uint16_t key_number;  // the key's keyid is <id>.<key_number>; 0: no key
    uint8_t key[KEY_BYTES];
    Scale soil, light;
    bool dhcp;        // address, mask and router come from a DHCP server instead
    bool deep_sleep;  // power-down between readings, while nobody uses the console
};

// What an unconfigured board starts from: everything but the id.
Config default_config();
// Sets the id and the MAC address that goes with it: locally administered, the id's low three bytes.
void set_id(Config *config, int32_t id);
bool is_usable_period(uint32_t period_s);
inline bool is_usable_scale(const Scale &scale) { return scale.zero != scale.full; }
// True where the values can be worked with: id above 0, port above 0, period 4…65532 s in steps of 4, scales with a span.
bool is_usable(const Config &config);
// False where the record has another magic, a wrong CRC or values that cannot be used. A record of the firmware before
// DHCP, two bytes shorter, is read as one with a fixed address.
bool decode_config(const uint8_t record[CONFIG_BYTES], Config *config, uint16_t *generation);
void encode_config(const Config &config, uint16_t generation, uint8_t record[CONFIG_BYTES]);

// Where the next record goes, and under which generation: never over the newest whole one.
struct ConfigPlace {
    bool found;  // *config of newest_config was filled in
    uint8_t next_slot;
    uint16_t next_generation;
};

ConfigPlace newest_config(const uint8_t slots[CONFIG_SLOTS][CONFIG_BYTES], Config *config);

}  // namespace pk
