#include "settings.h"

#include <string.h>

namespace pk {
namespace {

const uint32_t MAX_ID = 0x7FFFFFFF;

uint8_t *address_of(Header header, Config *config)
{
    switch (header) {
    case HEADER_ADDRESS: return config->address;
    case HEADER_ROUTER: return config->router;
    case HEADER_MASK: return config->mask;
    default: return config->gateway;
    }
}

bool is_address(Header header)
{
    return header == HEADER_ADDRESS || header == HEADER_ROUTER || header == HEADER_MASK || header == HEADER_GATEWAY;
}

Scale *scale_of(Header header, Config *config)
{
    if (header == HEADER_SOIL) return &config->soil;
    return header == HEADER_LIGHT ? &config->light : 0;
}

bool *flag_of(Header header, Config *config)
{
    if (header == HEADER_DHCP) return &config->dhcp;
    return header == HEADER_DEEP_SLEEP ? &config->deep_sleep : 0;
}

void answer(Header header, Config *config, TextWriter &reply)
{
    const Scale *scale = scale_of(header, config);
    if (scale)
        reply.number(scale->zero).put(',').number(scale->full);
    else if (is_address(header))
        reply.address(address_of(header, config));
    else if (flag_of(header, config))
        reply.number(*flag_of(header, config));
    else if (header == HEADER_ID)
        reply.signed_number(config->id);
    else
        reply.number(header == HEADER_PORT ? config->gateway_port : config->period_s);
}

Error set_address(const char *text, uint8_t *address)
{
    uint8_t parsed[4];
    if (!parse_address(&text, parsed)) return ERROR_DATA_TYPE;
    if (*text) return ERROR_PARAMETER_NOT_ALLOWED;
    memcpy(address, parsed, sizeof parsed);
    return ERROR_NONE;
}

Error set_flag(const char *text, bool *flag)
{
    bool on;
    if (!parse_boolean(&text, &on)) return ERROR_DATA_TYPE;
    if (*text) return ERROR_PARAMETER_NOT_ALLOWED;
    *flag = on;
    return ERROR_NONE;
}

Error set_scale(const char *text, Scale *scale)
{
    uint32_t zero, full;
    if (!parse_number(&text, &zero)) return ERROR_DATA_TYPE;
    if (!*text) return ERROR_MISSING_PARAMETER;
    if (!parse_number(&text, &full)) return ERROR_DATA_TYPE;
    if (*text) return ERROR_PARAMETER_NOT_ALLOWED;
    const Scale given = {static_cast<uint16_t>(zero), static_cast<uint16_t>(full)};
    if (zero > UINT16_MAX || full > UINT16_MAX || !is_usable_scale(given)) return ERROR_OUT_OF_RANGE;
    *scale = given;
    return ERROR_NONE;
}

Error set_key(const char *text, Config *config)
{
    uint32_t number;
    uint8_t key[KEY_BYTES];
    if (!parse_number(&text, &number)) return ERROR_DATA_TYPE;
    if (!*text) return ERROR_MISSING_PARAMETER;
    if (!parse_hex(&text, key, KEY_BYTES)) return ERROR_DATA_TYPE;
    if (*text) return ERROR_PARAMETER_NOT_ALLOWED;
    if (number < 1 || number > UINT16_MAX) return ERROR_OUT_OF_RANGE;
    config->key_number = static_cast<uint16_t>(number);
    memcpy(config->key, key, sizeof key);
    return ERROR_NONE;
}

Error set_number(Header header, const char *text, Config *config)
{
    uint32_t value;
    if (!parse_number(&text, &value)) return ERROR_DATA_TYPE;
    if (*text) return ERROR_PARAMETER_NOT_ALLOWED;
    if (header == HEADER_ID) {
        if (value < 1 || value > MAX_ID) return ERROR_OUT_OF_RANGE;
        set_id(config, static_cast<int32_t>(value));
    } else if (header == HEADER_PORT) {
        if (value < 1 || value > UINT16_MAX) return ERROR_OUT_OF_RANGE;
        config->gateway_port = static_cast<uint16_t>(value);
    } else {
        if (!is_usable_period(value)) return ERROR_OUT_OF_RANGE;
        config->period_s = static_cast<uint16_t>(value);
    }
    return ERROR_NONE;
}

}  // namespace

Error configure(const Line &line, Config *config, TextWriter &reply)
{
    if (line.query) {
        if (*line.parameters) return ERROR_PARAMETER_NOT_ALLOWED;
        answer(line.header, config, reply);
        return ERROR_NONE;
    }
    if (!*line.parameters) return ERROR_MISSING_PARAMETER;
    bool *flag = flag_of(line.header, config);
    if (flag) return set_flag(line.parameters, flag);
    if (line.header == HEADER_KEY) return set_key(line.parameters, config);
    Scale *scale = scale_of(line.header, config);
    if (scale) return set_scale(line.parameters, scale);
    if (is_address(line.header)) return set_address(line.parameters, address_of(line.header, config));
    return set_number(line.header, line.parameters, config);
}

}  // namespace pk
