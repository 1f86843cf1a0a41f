#include "events.h"

#include <Arduino.h>

#include "message.h"
#include "serial_out.h"

namespace events {

#ifndef PK_LOG_LEVEL
#define PK_LOG_LEVEL INFO
#endif

Level level = PK_LOG_LEVEL;

Line::Line(const char *flash_name, Level its_level) : said_(its_level <= level) { put('!').flash(flash_name); }

Line::~Line() { put('\r').put('\n'); }

void Line::write(char c)
{
    if (said_) serial_out::put(c);
}

Line &Line::field(const char *flash_name)
{
    put(' ').flash(flash_name).put('=');
    return *this;
}

Line &Line::named(const char *flash_name, const char *flash_value)
{
    field(flash_name).flash(flash_value);
    return *this;
}

Line &Line::count(const char *flash_name, uint32_t value)
{
    field(flash_name).number(value);
    return *this;
}

Line &Line::key(uint32_t boot, uint32_t seq)
{
    pk::write_key(field(PSTR("key")), boot, seq);
    return *this;
}

}  // namespace events
