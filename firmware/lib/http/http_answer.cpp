#include "http_answer.h"

#include "text.h"

namespace pk {
namespace {

const uint8_t LONGEST_LINE = 0xFE;
const uint32_t LONGEST_BODY = 65535;

const char PREFIX[] PK_FLASH = "HTTP/1.";
const char CONTENT_LENGTH[] PK_FLASH = "content-length:", RETRY_AFTER_NAME[] PK_FLASH = "retry-after:";
const uint8_t PREFIX_CHARACTERS = sizeof PREFIX - 1;

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
        begin_header();
    }
}

void HttpAnswer::begin_header()
{
    position_ = matched_ = digits_ = 0;
    wanted_ = NOTHING;
    value_ = 0;
}

// Header names are matched without regard to case (RFC 9110 section 5.1).
void HttpAnswer::feed_header(uint8_t byte)
{
    if (byte == '\n') {
        if (position_ == 0) {
            end_of_head();
            return;
        }
        end_of_header();
        begin_header();
        return;
    }
    if (byte == '\r') return;
    const uint8_t lower = static_cast<uint8_t>(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
    if (position_ == 0) wanted_ = lower == 'c' ? LENGTH : lower == 'r' ? RETRY_AFTER : NOTHING;
    if (position_ < LONGEST_LINE) position_++;
    if (wanted_ == NOTHING) return;
    const char name = expected_at(wanted_ == LENGTH ? CONTENT_LENGTH : RETRY_AFTER_NAME, matched_);
    if (name) {
        matched_++;
        if (lower != static_cast<uint8_t>(name)) wanted_ = NOTHING;
    } else if (is_digit(byte)) {
        if (value_ <= LONGEST_BODY) value_ = value_ * 10 + (byte - '0');
        if (digits_ < 255) digits_++;
    } else if (byte != ' ' && byte != '\t') {
        if (wanted_ == LENGTH) state_ = BROKEN;
        wanted_ = NOTHING;
    }
}

void HttpAnswer::end_of_header()
{
    if (wanted_ == NOTHING || expected_at(wanted_ == LENGTH ? CONTENT_LENGTH : RETRY_AFTER_NAME, matched_)) return;
    if (wanted_ == RETRY_AFTER) {
        retry_after_s_ = static_cast<uint16_t>(value_ > UINT16_MAX ? UINT16_MAX : value_);
        return;
    }
    if (digits_ == 0 || value_ > LONGEST_BODY || (has_length_ && length_ != value_)) {
        state_ = BROKEN;
        return;
    }
    has_length_ = true;
    length_ = value_;
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
