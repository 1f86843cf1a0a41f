// SCPI's grammar as far as the console needs it: headers in short or long form, and parameters (docs/console.md).
// Ref: SCPI-1999 volume 1, chapters 5 and 6; IEEE 488.2 section 7.
#pragma once
#include <stdint.h>

#include "text.h"

namespace pk {

// In the order of the table in grammar.cpp.
enum Header {
    HEADER_IDN,
    HEADER_RST,
    HEADER_TST,
    HEADER_CLS,
    HEADER_ERROR,
    HEADER_ERROR_NEXT,
    HEADER_READ,
    HEADER_POST,
    HEADER_STAT,
    HEADER_LOG_ERROR,  // in the order of events::Level
    HEADER_LOG_WARNING,
    HEADER_LOG_INFO,
    HEADER_LOG_DEBUG,
    HEADER_ID,
    HEADER_ADDRESS,
    HEADER_ROUTER,
    HEADER_MASK,
    HEADER_GATEWAY,
    HEADER_PORT,
    HEADER_DHCP,
    HEADER_PERIOD,
    HEADER_DEEP_SLEEP,
    HEADER_SOIL,
    HEADER_LIGHT,
    HEADER_KEY,
    HEADER_SAVE,
    HEADER_LOAD_DEFAULT,
    HEADER_UNDEFINED
};

struct Line {
    Header header;
    bool query;
    const char *parameters;  // without leading blanks; "" where there are none
};

// `headers`: in flash, `count` of them, each ended by 0. Capitals are the short form; the last character says what a header
// may be: ? a query, ! a command, = both. The line's header is its place among them, `count` where it is none.
Line parse_line(const char *text, const char *headers, uint8_t count);
// By the console's own headers, in the order of the enumeration above.
extern const char CONSOLE_HEADERS[];
inline Line parse_line(const char *text) { return parse_line(text, CONSOLE_HEADERS, HEADER_UNDEFINED); }

// Each reads one parameter and moves *text behind it and the comma after it, if there is one. False where it is none.
bool parse_number(const char **text, uint32_t *value);
bool parse_address(const char **text, uint8_t address[4]);
// A string in " or ', in which the quote stands doubled (IEEE 488.2 section 7.7.5), into `longest` + 1 characters; *fits is
// false where it is longer.
bool parse_string(const char **text, char *string, uint8_t longest, bool *fits);
// ON, OFF, 1 or 0 (SCPI-1999 volume 1, section 7.3).
bool parse_boolean(const char **text, bool *value);
bool parse_hex(const char **text, uint8_t *bytes, uint8_t count);

// A string in double quotes (IEEE 488.2 section 8.7.8).
void write_string(TextWriter &out, const char *string);

}  // namespace pk
