#include "error_queue.h"

namespace pk {
namespace {

const char *text_of(Error error)
{
    switch (error) {
    case ERROR_NONE: return PK_TEXT("No error");
    case ERROR_DATA_TYPE: return PK_TEXT("Data type error");
    case ERROR_PARAMETER_NOT_ALLOWED: return PK_TEXT("Parameter not allowed");
    case ERROR_MISSING_PARAMETER: return PK_TEXT("Missing parameter");
    case ERROR_UNDEFINED_HEADER: return PK_TEXT("Undefined header");
    case ERROR_SETTINGS_CONFLICT: return PK_TEXT("Settings conflict");
    case ERROR_OUT_OF_RANGE: return PK_TEXT("Data out of range");
    case ERROR_HARDWARE: return PK_TEXT("Hardware error");
    case ERROR_STORAGE: return PK_TEXT("Storage fault");
    case ERROR_SELF_TEST: return PK_TEXT("Self-test failed");
    case ERROR_QUEUE_OVERFLOW: return PK_TEXT("Queue overflow");
    case ERROR_INPUT_OVERRUN: return PK_TEXT("Input buffer overrun");
    }
    return PK_TEXT("");
}

}  // namespace

void ErrorQueue::push(Error error)
{
    if (count_ == CAPACITY) {
        ring_[(first_ + CAPACITY - 1) % CAPACITY] = ERROR_QUEUE_OVERFLOW;
        return;
    }
    ring_[(first_ + count_) % CAPACITY] = static_cast<int16_t>(error);
    count_++;
}

Error ErrorQueue::pop()
{
    if (!count_) return ERROR_NONE;
    const Error oldest = static_cast<Error>(ring_[first_]);
    first_ = static_cast<uint8_t>((first_ + 1) % CAPACITY);
    count_--;
    return oldest;
}

void write_error(TextWriter &out, Error error)
{
    out.signed_number(error).flash(PK_TEXT(",\"")).flash(text_of(error)).put('"');
}

}  // namespace pk
