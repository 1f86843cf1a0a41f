// Text into a fixed buffer: no heap, no String, never past the end.
#pragma once
#include <stdint.h>

#ifdef __AVR__
#include <avr/pgmspace.h>
#define PK_TEXT(literal) PSTR(literal)
#define PK_FLASH PROGMEM
#else
#define PK_TEXT(literal) (literal)
#define PK_FLASH
#endif

namespace pk {

// A character that PK_FLASH or PK_TEXT put into flash.
inline char flash_char(const char *at)
{
#ifdef __AVR__
    return static_cast<char>(pgm_read_byte(at));
#else
    return *at;
#endif
}

class TextWriter {
public:
    TextWriter(char *buffer, uint16_t size) : buffer_(buffer), size_(size), length_(0), overflowed_(false)
    {
        if (size_) buffer_[0] = 0;
    }
    TextWriter &put(char c);
    TextWriter &put(const char *text);    // text in RAM
    TextWriter &flash(const char *text);  // PK_TEXT("…"), which stays in flash on AVR
    TextWriter &number(uint32_t value);
    TextWriter &signed_number(int32_t value);
    TextWriter &tenths(int16_t value);  // 215 → 21.5, 210 → 21
    TextWriter &hex8(uint8_t value);
    TextWriter &address(const uint8_t ip[4]);

    const char *text() const { return buffer_; }
    uint16_t length() const { return length_; }
    bool overflowed() const { return overflowed_; }

private:
    char *buffer_;
    uint16_t size_, length_;
    bool overflowed_;
};

}  // namespace pk
