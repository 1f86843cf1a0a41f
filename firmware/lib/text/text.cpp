#include "text.h"

namespace pk {

void TextBuffer::write(char c)
{
    if (length_ + 1 >= size_) {
        overflowed_ = true;
        return;
    }
    buffer_[length_++] = c;
    buffer_[length_] = 0;
}

TextWriter &TextWriter::text(const char *text)
{
    while (*text) put(*text++);
    return *this;
}

TextWriter &TextWriter::flash(const char *text)
{
    for (char c; (c = flash_char(text)) != 0; text++) put(c);
    return *this;
}

TextWriter &TextWriter::number(uint32_t value)
{
    char digits[10];
    uint8_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value);
    while (count) put(digits[--count]);
    return *this;
}

TextWriter &TextWriter::signed_number(int32_t value)
{
    if (value < 0) {
        put('-');
        return number(0u - static_cast<uint32_t>(value));
    }
    return number(static_cast<uint32_t>(value));
}

TextWriter &TextWriter::tenths(int16_t value)
{
    uint16_t magnitude = static_cast<uint16_t>(value < 0 ? -value : value);
    if (value < 0) put('-');
    number(magnitude / 10);
    if (magnitude % 10) put('.').put(static_cast<char>('0' + magnitude % 10));
    return *this;
}

TextWriter &TextWriter::hex8(uint8_t value)
{
    for (int8_t shift = 4; shift >= 0; shift = static_cast<int8_t>(shift - 4)) {
        uint8_t nibble = (value >> shift) & 15;
        put(static_cast<char>(nibble < 10 ? '0' + nibble : 'A' + nibble - 10));
    }
    return *this;
}

TextWriter &TextWriter::address(const uint8_t ip[4])
{
    for (uint8_t i = 0; i < 4; i++) {
        if (i) put('.');
        number(ip[i]);
    }
    return *this;
}

}  // namespace pk
