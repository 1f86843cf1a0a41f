#include "config.h"

#include <string.h>

#include "crc16.h"

namespace pk {
namespace {

const uint8_t MAGIC[4] = {'P', 'K', 'C', '4'};
const uint8_t VERSION_AT = 3, FLAGS_AT = 78, CRC_AT = CONFIG_BYTES - 2;
const uint8_t OLD_VERSION = '3', OLD_CRC_AT = 78;
const uint16_t FLAG_DHCP = 1, FLAG_DEEP_SLEEP = 2;

uint16_t read16(const uint8_t *at) { return static_cast<uint16_t>(at[0] | at[1] << 8); }

void write16(uint8_t *at, uint16_t value)
{
    at[0] = static_cast<uint8_t>(value);
    at[1] = static_cast<uint8_t>(value >> 8);
}

}  // namespace

Config default_config()
{
    const Config config = {0,
                           {0x02, 0, 0, 0, 0, 0},
                           {192, 0, 2, 20},
                           {255, 255, 255, 0},
                           {192, 0, 2, 1},
                           {192, 0, 2, 10},
                           8080,
                           300,
                           0,
                           {0},
                           SOIL_SCALE,
                           LIGHT_SCALE,
                           false,
                           false};
    return config;
}

void set_id(Config *config, int32_t id)
{
    config->id = id;
    config->mac[3] = static_cast<uint8_t>(id >> 16);
    config->mac[4] = static_cast<uint8_t>(id >> 8);
    config->mac[5] = static_cast<uint8_t>(id);
}

bool is_usable_period(uint32_t period_s) { return period_s >= 4 && period_s <= 65532 && period_s % 4 == 0; }

bool is_usable(const Config &config)
{
    return config.id > 0 && config.gateway_port > 0 && is_usable_period(config.period_s) &&
           is_usable_scale(config.soil) && is_usable_scale(config.light);
}

bool decode_config(const uint8_t record[CONFIG_BYTES], Config *config, uint16_t *generation)
{
    const bool old = record[VERSION_AT] == OLD_VERSION;
    const uint8_t crc_at = old ? OLD_CRC_AT : CRC_AT;
    if (memcmp(record, MAGIC, VERSION_AT) != 0 || (!old && record[VERSION_AT] != MAGIC[VERSION_AT])) return false;
    if (read16(record + crc_at) != crc16(record, crc_at)) return false;
    Config read;
    read.id = static_cast<int32_t>(read16(record + 6) | static_cast<uint32_t>(read16(record + 8)) << 16);
    memcpy(read.mac, record + 10, 6);
    memcpy(read.address, record + 16, 4);
    memcpy(read.mask, record + 20, 4);
    memcpy(read.router, record + 24, 4);
    memcpy(read.gateway, record + 28, 4);
    read.gateway_port = read16(record + 32);
    read.period_s = read16(record + 34);
    read.key_number = read16(record + 36);
    memcpy(read.key, record + 38, KEY_BYTES);
    read.soil.zero = read16(record + 70);
    read.soil.full = read16(record + 72);
    read.light.zero = read16(record + 74);
    read.light.full = read16(record + 76);
    const uint16_t flags = old ? 0 : read16(record + FLAGS_AT);
    read.dhcp = (flags & FLAG_DHCP) != 0;
    read.deep_sleep = (flags & FLAG_DEEP_SLEEP) != 0;
    if (!is_usable(read) || (flags & ~(FLAG_DHCP | FLAG_DEEP_SLEEP))) return false;
    *config = read;
    *generation = read16(record + 4);
    return true;
}

void encode_config(const Config &config, uint16_t generation, uint8_t record[CONFIG_BYTES])
{
    memcpy(record, MAGIC, sizeof MAGIC);
    write16(record + 4, generation);
    write16(record + 6, static_cast<uint16_t>(config.id));
    write16(record + 8, static_cast<uint16_t>(static_cast<uint32_t>(config.id) >> 16));
    memcpy(record + 10, config.mac, 6);
    memcpy(record + 16, config.address, 4);
    memcpy(record + 20, config.mask, 4);
    memcpy(record + 24, config.router, 4);
    memcpy(record + 28, config.gateway, 4);
    write16(record + 32, config.gateway_port);
    write16(record + 34, config.period_s);
    write16(record + 36, config.key_number);
    memcpy(record + 38, config.key, KEY_BYTES);
    write16(record + 70, config.soil.zero);
    write16(record + 72, config.soil.full);
    write16(record + 74, config.light.zero);
    write16(record + 76, config.light.full);
    write16(record + FLAGS_AT, static_cast<uint16_t>((config.dhcp ? FLAG_DHCP : 0) | (config.deep_sleep ? FLAG_DEEP_SLEEP : 0)));
    write16(record + CRC_AT, crc16(record, CRC_AT));
}

ConfigPlace newest_config(const uint8_t slots[CONFIG_SLOTS][CONFIG_BYTES], Config *config)
{
    ConfigPlace place = {false, 0, 0};
    for (uint8_t slot = 0; slot < CONFIG_SLOTS; slot++) {
        Config read;
        uint16_t generation;
        if (!decode_config(slots[slot], &read, &generation)) continue;
        uint16_t next = static_cast<uint16_t>(generation + 1);
        // serial numbers (RFC 1982): the newer one is less than half the circle ahead
        if (place.found && static_cast<int16_t>(next - place.next_generation) <= 0) continue;
        place.found = true;
        place.next_slot = static_cast<uint8_t>(slot ^ 1);
        place.next_generation = next;
        *config = read;
    }
    return place;
}

}  // namespace pk
