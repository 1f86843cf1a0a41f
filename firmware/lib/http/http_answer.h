// An HTTP/1.x answer, byte by byte: status line, Content-Length, Retry-After; the body is counted, never stored.
#pragma once
#include <stdint.h>

namespace pk {

class HttpAnswer {
public:
    enum State { HEAD, BODY, DONE, BROKEN };

    HttpAnswer() : state_(HEAD), line_(0), position_(0), status_(0), has_length_(false), length_(0), received_(0), wanted_(NOTHING), matched_(0), value_(0), digits_(0), retry_after_s_(0) {}

    // Feeds received bytes, in any portions; bytes after the end of the answer are ignored.
    void feed(const uint8_t *data, uint16_t length);
    // The peer closed: an answer without Content-Length is whole now, one with less than announced is broken.
    void close();

    State state() const { return state_; }
    bool done() const { return state_ == DONE; }
    // Status code of the status line; 0 until it was read whole.
    uint16_t status() const { return status_; }
    // Retry-After in s; 0 where there is none, or it is a date, which a board without a clock cannot read.
    uint16_t retry_after_s() const { return retry_after_s_; }

private:
    void feed_byte(uint8_t byte);
    void feed_status_line(uint8_t byte);
    void feed_header(uint8_t byte);
    void begin_header();
    void end_of_header();
    void end_of_head();

    State state_;
    uint8_t line_;        // 0: status line, 1: headers
    uint8_t position_;    // in the line, saturating
    uint16_t status_;
    bool has_length_;
    uint32_t length_, received_;
    enum Header { NOTHING, LENGTH, RETRY_AFTER };
    uint8_t wanted_;      // which header this line may be
    uint8_t matched_;     // characters of its name seen in this line
    uint32_t value_;
    uint8_t digits_;
    uint16_t retry_after_s_;
};

}  // namespace pk
