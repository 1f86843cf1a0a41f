#include "si1145.h"

#include "clock.h"
#include "twi.h"

namespace si1145 {
namespace {

const uint8_t ADDRESS = 0x60, PART_ID = 0x45;
// Registers (table 8 of the data sheet)
const uint8_t REG_PART_ID = 0x00, REG_HW_KEY = 0x07, REG_PARAM_WR = 0x17, REG_COMMAND = 0x18, REG_RESPONSE = 0x20,
              REG_ALS_VIS_DATA0 = 0x22;
const uint8_t HW_KEY = 0x17;
const uint8_t COMMAND_NOP = 0x00, COMMAND_RESET = 0x01, COMMAND_ALS_FORCE = 0x06, COMMAND_PARAM_SET = 0xA0;
const uint8_t PARAM_CHLIST = 0x01, CHLIST_ALS_VISIBLE = 0x10;
const uint8_t RESPONSE_ERROR = 0x80;
const uint16_t RESET_MS = 25, COMMAND_MS = 25, POLL_MS = 1;

bool write8(uint8_t reg, uint8_t value) { return twi::write(ADDRESS, reg, &value, 1); }
bool read8(uint8_t reg, uint8_t *value) { return twi::read(ADDRESS, reg, value, 1); }

// The response register counts commands that were carried out (section 5.3): cleared first, then awaited.
Result command(uint8_t code)
{
    uint8_t response;
    if (!write8(REG_COMMAND, COMMAND_NOP) || !write8(REG_COMMAND, code)) return SILENT;
    clock::Counts deadline = clock::now() + clock::from_ms(COMMAND_MS);
    do {
        if (!read8(REG_RESPONSE, &response)) return SILENT;
        if (response & RESPONSE_ERROR) return TIMED_OUT;
        if (response) return OK;
        clock::sleep_ms(POLL_MS);
    } while (!clock::reached(deadline));
    return TIMED_OUT;
}

bool ready;

}  // namespace

Result begin()
{
    uint8_t part;
    ready = false;
    twi::begin();
    if (!read8(REG_PART_ID, &part) || part != PART_ID) return SILENT;
    if (!write8(REG_COMMAND, COMMAND_RESET)) return SILENT;
    clock::sleep_ms(RESET_MS);
    if (!write8(REG_HW_KEY, HW_KEY) || !write8(REG_PARAM_WR, CHLIST_ALS_VISIBLE)) return SILENT;
    Result result = command(COMMAND_PARAM_SET | PARAM_CHLIST);
    ready = result == OK;
    return result;
}

Result read_visible(uint16_t *count)
{
    uint8_t data[2];
    Result result = ready ? OK : begin();
    if (result == OK) result = command(COMMAND_ALS_FORCE);
    if (result == OK && !twi::read(ADDRESS, REG_ALS_VIS_DATA0, data, sizeof data)) result = SILENT;
    if (result != OK) {
        ready = false;  // set up again next time: the chip may have lost its power
        return result;
    }
    *count = static_cast<uint16_t>(data[0] | data[1] << 8);
    return OK;
}

}  // namespace si1145
