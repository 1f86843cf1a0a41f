// Text, character by character, to wherever a writer puts it: a buffer, a wire, a hash. No heap, no String.
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
    TextWriter &put(char c)
    {
        write(c);
        return *this;
    }
    TextWriter &text(const char *text);   // in RAM
    TextWriter &flash(const char *text);  // PK_TEXT("…"), which stays in flash on AVR
    TextWriter &number(uint32_t value);
    TextWriter &signed_number(int32_t value);
    TextWriter &tenths(int16_t value);  // 215 → 21.5, 210 → 21
    TextWriter &hex8(uint8_t value);
    TextWriter &address(const uint8_t ip[4]);

protected:
    ~TextWriter() {}
    virtual void write(char c) = 0;
};

// A fixed buffer, always ended by 0, never written past its end.
class TextBuffer : public TextWriter {
public:
    TextBuffer(char *buffer, uint16_t size) : buffer_(buffer), size_(size), length_(0), overflowed_(false)
    {
        if (size_) buffer_[0] = 0;
    }

    const char *content() const { return buffer_; }
    uint16_t length() const { return length_; }
    bool overflowed() const { return overflowed_; }

private:
    void write(char c);

    char *buffer_;
    uint16_t size_, length_;
    bool overflowed_;
};

}  // namespace pk
