// Collects the characters of a console line; ends it at CR or LF, and tells one that is too long.
#pragma once
#include <stdint.h>

namespace pk {

class LineReader {
public:
    static const uint8_t LONGEST = 95;
    enum State { INCOMPLETE, COMPLETE, OVERRUN };

    LineReader() : length_(0), overrun_(false) {}
    // COMPLETE: text() is a line that is not empty. OVERRUN: a line ended that was too long; it is lost.
    State feed(char c);
    const char *text() const { return buffer_; }

private:
    char buffer_[LONGEST + 1];
    uint8_t length_;
    bool overrun_;
};

}  // namespace pk
