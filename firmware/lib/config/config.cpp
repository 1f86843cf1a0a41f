#include "config.h"

#include <string.h>

#include "crc16.h"

namespace pk {
namespace {

const uint8_t MAGIC[4] = {'P', 'K', 'C', '1'};
const uint16_t CRC_AT = 36;

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
                           300};
    return config;
}

bool is_usable(const Config &config)
{
    return config.id > 0 && config.gateway_port > 0 && config.period_s >= 4 && config.period_s % 4 == 0;
}

bool decode_config(const uint8_t record[CONFIG_BYTES], Config *config)
{
    if (memcmp(record, MAGIC, sizeof MAGIC) != 0 || read16(record + CRC_AT) != crc16(record, CRC_AT)) return false;
    Config read;
    read.id = static_cast<int32_t>(read16(record + 4) | static_cast<uint32_t>(read16(record + 6)) << 16);
    memcpy(read.mac, record + 8, 6);
    memcpy(read.address, record + 14, 4);
    memcpy(read.mask, record + 18, 4);
    memcpy(read.router, record + 22, 4);
    memcpy(read.gateway, record + 26, 4);
    read.gateway_port = read16(record + 30);
    read.period_s = read16(record + 32);
    if (!is_usable(read)) return false;
    *config = read;
    return true;
}

void encode_config(const Config &config, uint8_t record[CONFIG_BYTES])
{
    memset(record, 0, CONFIG_BYTES);
    memcpy(record, MAGIC, sizeof MAGIC);
    write16(record + 4, static_cast<uint16_t>(config.id));
    write16(record + 6, static_cast<uint16_t>(static_cast<uint32_t>(config.id) >> 16));
    memcpy(record + 8, config.mac, 6);
    memcpy(record + 14, config.address, 4);
    memcpy(record + 18, config.mask, 4);
    memcpy(record + 22, config.router, 4);
    memcpy(record + 26, config.gateway, 4);
    write16(record + 30, config.gateway_port);
    write16(record + 32, config.period_s);
    write16(record + CRC_AT, crc16(record, CRC_AT));
}

}  // namespace pk
