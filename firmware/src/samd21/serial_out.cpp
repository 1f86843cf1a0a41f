#include "serial_out.h"

#include <Arduino.h>

namespace serial_out {
namespace {

const uint16_t KEPT_BYTES = 512;

uint8_t kept[KEPT_BYTES];
uint16_t kept_bytes, whole_lines;  // whole_lines: up to the end of the last line that fits as a whole
bool was_heard;

// Not every terminal raises DTR.
bool somebody_listens() { return Serial.dtr() || Serial.available() > 0; }

}  // namespace

void put(char c)
{
    if (was_heard) {
        Serial.write(static_cast<uint8_t>(c));
    } else if (kept_bytes < KEPT_BYTES) {
        kept[kept_bytes++] = static_cast<uint8_t>(c);
        if (c == '\n') whole_lines = kept_bytes;
    }
}

void tend()
{
    if (!is_due()) return;
    Serial.write(kept, whole_lines);
    was_heard = true;
}

bool is_due() { return !was_heard && somebody_listens(); }

}  // namespace serial_out
