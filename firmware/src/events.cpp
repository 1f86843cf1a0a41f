#include "events.h"

#include <Arduino.h>

#include "message.h"

namespace events {

Line::Line(const char *flash_name) : out_(buffer_, sizeof buffer_) { out_.put('!').flash(flash_name); }

Line::~Line()
{
    Serial.write(reinterpret_cast<const uint8_t *>(out_.text()), out_.length());
    Serial.write(reinterpret_cast<const uint8_t *>("\r\n"), 2);
}

Line &Line::field(const char *flash_name)
{
    out_.put(' ').flash(flash_name).put('=');
    return *this;
}

Line &Line::text(const char *flash_name, const char *flash_value)
{
    field(flash_name);
    out_.flash(flash_value);
    return *this;
}

Line &Line::number(const char *flash_name, uint32_t value)
{
    field(flash_name);
    out_.number(value);
    return *this;
}

Line &Line::key(uint32_t boot, uint32_t seq)
{
    field(PSTR("key"));
    pk::write_key(out_, boot, seq);
    return *this;
}

}  // namespace events
