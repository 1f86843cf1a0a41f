#include "grammar.h"

#include "text.h"

namespace pk {

const char CONSOLE_HEADERS[] PK_FLASH =
    "*IDN?\0"
    "*RST!\0"
    "*TST?\0"
    "*CLS!\0"
    "SYSTem:ERRor?\0"
    "SYSTem:ERRor:NEXT?\0"
    "READ?\0"
    "POST?\0"
    "STATus?\0"
    "SYSTem:LOG:ERRor!\0"
    "SYSTem:LOG:WARNing!\0"
    "SYSTem:LOG:INFO!\0"
    "SYSTem:LOG:DEBug!\0"
    "CONFigure:DEVice:ID=\0"
    "CONFigure:NETwork:IP=\0"
    "CONFigure:NETwork:GW=\0"
    "CONFigure:NETwork:MASK=\0"
    "CONFigure:NETwork:SERVer=\0"
    "CONFigure:NETwork:PORT=\0"
    "CONFigure:NETwork:DHCP=\0"
    "CONFigure:INTerval=\0"
    "CONFigure:SLEep:DEEP=\0"
    "CONFigure:CALibration:SOIL=\0"
    "CONFigure:CALibration:LIGHT=\0"
    "CONFigure:KEY!\0"
    "CONFigure:SAVE!\0"
    "CONFigure:LOAD:DEFault!\0";

namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
char upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool ends_mnemonic(char c) { return c == 0 || c == ':' || c == '?' || is_blank(c); }
bool ends_pattern(char c) { return c == '?' || c == '!' || c == '='; }

// Matches one mnemonic in its short or its long form, and nothing between.
bool match_mnemonic(const char **pattern, const char **text)
{
    const char *at = *pattern, *given = *text;
    bool whole = true;  // everything so far matched the long form
    bool after_short = false;
    for (char c; c = flash_char(at), c != ':' && !ends_pattern(c); at++) {
        if (is_lower(c) && !after_short) {
            after_short = true;
            if (ends_mnemonic(*given)) whole = false;
        }
        if (!whole) continue;
        if (upper(*given) != upper(c)) return false;
        given++;
    }
    if (!ends_mnemonic(*given)) return false;
    *pattern = at;
    *text = given;
    return true;
}

// True where `text` begins with this header; *text moves behind it and *mode is the pattern's last character.
bool match_header(const char *pattern, const char **text, char *mode)
{
    const char *given = *text;
    for (;;) {
        if (!match_mnemonic(&pattern, &given)) return false;
        const char c = flash_char(pattern);
        if (ends_pattern(c)) {
            if (*given == ':') return false;
            *text = given;
            *mode = c;
            return true;
        }
        if (*given != ':') return false;
        pattern++, given++;
    }
}

void skip_blanks(const char **text)
{
    while (is_blank(**text)) ++*text;
}

// Moves over blanks and one comma; false where something else follows.
bool end_parameter(const char **text)
{
    skip_blanks(text);
    if (**text == 0) return true;
    if (**text != ',') return false;
    ++*text;
    skip_blanks(text);
    return **text != 0;
}

bool digits(const char **text, uint32_t most, uint32_t *value)
{
    uint32_t number = 0;
    const char *start = *text;
    for (; **text >= '0' && **text <= '9'; ++*text) {
        const uint32_t digit = static_cast<uint32_t>(**text - '0');
        if (number > (most - digit) / 10) return false;
        number = number * 10 + digit;
    }
    *value = number;
    return *text != start;
}

int8_t nibble(char c)
{
    if (c >= '0' && c <= '9') return static_cast<int8_t>(c - '0');
    c = upper(c);
    return c >= 'A' && c <= 'F' ? static_cast<int8_t>(c - 'A' + 10) : static_cast<int8_t>(-1);
}

}  // namespace

Line parse_line(const char *text, const char *pattern, uint8_t count)
{
    skip_blanks(&text);
    if (*text == ':') text++;
    for (uint8_t header = 0; header < count; header++) {
        const char *rest = text;
        char mode;
        if (match_header(pattern, &rest, &mode)) {
            const bool query = *rest == '?';
            if (mode != '=' && query != (mode == '?')) break;
            if (query) rest++;
            if (*rest && !is_blank(*rest)) break;
            skip_blanks(&rest);
            const Line line = {static_cast<Header>(header), query, rest};
            return line;
        }
        while (flash_char(pattern)) pattern++;
        pattern++;
    }
    const Line undefined = {static_cast<Header>(count), false, ""};
    return undefined;
}

bool parse_number(const char **text, uint32_t *value) { return digits(text, UINT32_MAX, value) && end_parameter(text); }

bool parse_address(const char **text, uint8_t address[4])
{
    for (uint8_t i = 0; i < 4; i++) {
        uint32_t part;
        if (i && *(*text)++ != '.') return false;
        if (!digits(text, 255, &part)) return false;
        address[i] = static_cast<uint8_t>(part);
    }
    return end_parameter(text);
}

bool parse_string(const char **text, char *string, uint8_t longest, bool *fits)
{
    const char quote = **text;
    if (quote != '"' && quote != '\'') return false;
    uint8_t length = 0;
    *fits = true;
    for (++*text; **text; ++*text) {
        if (**text == quote && *++*text != quote) {
            string[length] = 0;
            return end_parameter(text);
        }
        if (length < longest)
            string[length++] = **text;
        else
            *fits = false;
    }
    return false;
}

void write_string(TextWriter &out, const char *string)
{
    out.put('"');
    for (; *string; string++) {
        if (*string == '"') out.put('"');
        out.put(*string);
    }
    out.put('"');
}

bool parse_boolean(const char **text, bool *value)
{
    const char first = upper((*text)[0]), second = upper((*text)[1]);
    uint8_t length = 1;
    if (first == 'O') length = second == 'N' ? 2 : second == 'F' && upper((*text)[2]) == 'F' ? 3 : 0;
    *value = first == '1' || length == 2;
    if (!length || (first != 'O' && first != '0' && first != '1')) return false;
    *text += length;
    return end_parameter(text);
}

bool parse_hex(const char **text, uint8_t *bytes, uint8_t count)
{
    for (uint8_t i = 0; i < count; i++) {
        const int8_t high = nibble(**text);
        if (high < 0) return false;
        const int8_t low = nibble((*text)[1]);
        if (low < 0) return false;
        bytes[i] = static_cast<uint8_t>(high << 4 | low);
        *text += 2;
    }
    return end_parameter(text);
}

}  // namespace pk
