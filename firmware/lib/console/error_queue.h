// SCPI's error queue: first in, first out; where it is full, its last entry says so.
// Ref: SCPI-1999 volume 2, section 21.8.
#pragma once
#include <stdint.h>

#include "text.h"

namespace pk {

enum Error {
    ERROR_NONE = 0,
    ERROR_DATA_TYPE = -104,
    ERROR_PARAMETER_NOT_ALLOWED = -108,
    ERROR_MISSING_PARAMETER = -109,
    ERROR_UNDEFINED_HEADER = -113,
    ERROR_SETTINGS_CONFLICT = -221,
    ERROR_OUT_OF_RANGE = -222,
    ERROR_HARDWARE = -240,
    ERROR_STORAGE = -320,
    ERROR_SELF_TEST = -330,
    ERROR_QUEUE_OVERFLOW = -350,
    ERROR_INPUT_OVERRUN = -363
};

class ErrorQueue {
public:
    static const uint8_t CAPACITY = 8;

    ErrorQueue() : first_(0), count_(0) {}
    void push(Error error);
    // The oldest, which is gone then; ERROR_NONE where there is none.
    Error pop();
    void clear() { count_ = 0; }

private:
    int16_t ring_[CAPACITY];
    uint8_t first_, count_;
};

// -113,"Undefined header"
void write_error(TextWriter &out, Error error);

}  // namespace pk
