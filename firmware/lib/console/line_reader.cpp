#include "line_reader.h"

namespace pk {

LineReader::State LineReader::feed(char c)
{
    if (c != '\r' && c != '\n') {
        if (length_ < LONGEST)
            buffer_[length_++] = c;
        else
            overrun_ = true;
        return INCOMPLETE;
    }
    const State ended = overrun_ ? OVERRUN : length_ ? COMPLETE : INCOMPLETE;
    buffer_[length_] = 0;
    length_ = 0;
    overrun_ = false;
    return ended;
}

}  // namespace pk
