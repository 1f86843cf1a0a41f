#include "http_answer.h"

#include "text.h"

namespace pk {
namespace {

const uint8_t NO_MATCH = 0xFF;
const uint8_t LONGEST_LINE = 0xFE;
const uint32_t LONGEST_BODY = 65535;

const char PREFIX[] PK_FLASH = "HTTP/1.";
const char CONTENT_LENGTH[] PK_FLASH = "content-length:";
const uint8_t PREFIX_CHARACTERS = sizeof PREFIX - 1, CONTENT_LENGTH_CHARACTERS = sizeof CONTENT_LENGTH - 1;

char expected_at(const char *flash_text, uint8_t at)
{
#ifdef __AVR__
    return static_cast<char>(pgm_read_byte(flash_text + at));
#else
    return flash_text[at];
#endif
}

bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

}  // namespace

void HttpAnswer::feed(const uint8_t *data, uint16_t length)
{
    while (length-- && state_ != DONE && state_ != BROKEN) feed_byte(*data++);
}

void HttpAnswer::feed_byte(uint8_t byte)
{
    if (state_ == BODY) {
        received_++;
        if (has_length_ && received_ == length_) state_ = DONE;
        if (received_ > LONGEST_BODY) state_ = BROKEN;
        return;
    }
    if (line_ == 0)
        feed_status_line(byte);
    else
        feed_header(byte);
}

// HTTP/1.x SP 3DIGIT (SP reason) CRLF (RFC 9112 section 4)
void HttpAnswer::feed_status_line(uint8_t byte)
{
    uint8_t at = position_;
    if (position_ < LONGEST_LINE) position_++;
    if (at < PREFIX_CHARACTERS) {
        if (byte != static_cast<uint8_t>(expected_at(PREFIX, at))) state_ = BROKEN;
    } else if (at == PREFIX_CHARACTERS) {
        if (!is_digit(byte)) state_ = BROKEN;
    } else if (at == 8) {
        if (byte != ' ') state_ = BROKEN;
    } else if (at < 12) {
        if (!is_digit(byte)) state_ = BROKEN;
        value_ = value_ * 10 + (byte - '0');
    } else if (at == 12 && byte != ' ' && byte != '\r' && byte != '\n') {
        state_ = BROKEN;
    } else if (byte == '\n') {
        status_ = static_cast<uint16_t>(value_);
        if (status_ < 100) state_ = BROKEN;
        line_ = 1;
        position_ = matched_ = digits_ = 0;
        value_ = 0;
    }
}

// Header names are matched without regard to case (RFC 9110 section 5.1).
void HttpAnswer::feed_header(uint8_t byte)
{
    if (byte == '\n') {
        if (position_ == 0) {
            end_of_head();
            return;
        }
        if (matched_ == CONTENT_LENGTH_CHARACTERS) {
            if (digits_ == 0 || value_ > LONGEST_BODY || (has_length_ && length_ != value_)) {
                state_ = BROKEN;
                return;
            }
            has_length_ = true;
            length_ = value_;
        }
        position_ = matched_ = digits_ = 0;
        value_ = 0;
        return;
    }
    if (byte == '\r') return;
    if (position_ < LONGEST_LINE) position_++;
    if (matched_ == NO_MATCH) return;
    if (matched_ < CONTENT_LENGTH_CHARACTERS) {
        uint8_t lower = static_cast<uint8_t>(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
        matched_ = lower == static_cast<uint8_t>(expected_at(CONTENT_LENGTH, matched_)) ? matched_ + 1 : NO_MATCH;
    } else if (is_digit(byte)) {
        if (value_ <= LONGEST_BODY) value_ = value_ * 10 + (byte - '0');
        if (digits_ < 255) digits_++;
    } else if (byte != ' ' && byte != '\t') {
        state_ = BROKEN;
    }
}

void HttpAnswer::end_of_head()
{
    if (status_ < 200) {  // an interim answer (RFC 9110 section 15.2): the real one follows
        line_ = position_ = 0;
        value_ = 0;
        status_ = 0;
        has_length_ = false;
        return;
    }
    state_ = has_length_ && length_ == 0 ? DONE : BODY;
}

void HttpAnswer::close()
{
    if (state_ == BODY && !has_length_)
        state_ = DONE;
    else if (state_ != DONE)
        state_ = BROKEN;
}

}  // namespace pk
