// An HTTP/1.x answer, byte by byte: status line, Content-Length, body counted, never stored.
#pragma once
#include <stdint.h>

namespace pk {

class HttpAnswer {
public:
    enum State { HEAD, BODY, DONE, BROKEN };

    HttpAnswer() : state_(HEAD), line_(0), position_(0), status_(0), has_length_(false), length_(0), received_(0), matched_(0), value_(0), digits_(0) {}

    // Feeds received bytes, in any portions; bytes after the end of the answer are ignored.
    void feed(const uint8_t *data, uint16_t length);
    // The peer closed: an answer without Content-Length is whole now, one with less than announced is broken.
    void close();

    State state() const { return state_; }
    bool done() const { return state_ == DONE; }
    // Status code of the status line; 0 until it was read whole.
    uint16_t status() const { return status_; }

private:
    void feed_byte(uint8_t byte);
    void feed_status_line(uint8_t byte);
    void feed_header(uint8_t byte);
    void end_of_head();

    State state_;
    uint8_t line_;        // 0: status line, 1: headers
    uint8_t position_;    // in the line, saturating
    uint16_t status_;
    bool has_length_;
    uint32_t length_, received_;
    uint8_t matched_;     // characters of "content-length:" seen in this line; NO_MATCH
    uint32_t value_;
    uint8_t digits_;
};

}  // namespace pk
