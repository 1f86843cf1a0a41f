// Frames between lines of console text: how TCP's bytes share the serial line (docs/console.md, Frames).
// A frame is 0x01, its contents and their CRC-16 in COBS, 0x00; console lines hold neither 0x01 nor 0x00.
// Ref: Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999.
#pragma once
#include <stdint.h>

namespace pk {

const uint8_t FRAME_BEGIN = 0x01, FRAME_END = 0x00;
const uint8_t FRAME_CONTENTS = 72;                  // at most
const uint8_t FRAME_ON_WIRE = FRAME_CONTENTS + 5;  // begin, COBS's own byte, CRC, end

// Contents to what goes over the wire; its length.
uint8_t encode_frame(const uint8_t *contents, uint8_t length, uint8_t wire[FRAME_ON_WIRE]);

class FrameReader {
public:
    enum Kind { NOTHING, TEXT, FRAME };

    FrameReader() : length_(0), inside_(false) {}
    // TEXT: the byte is console text. FRAME: it ended a whole frame, whose contents stay until the next one begins.
    // A frame that is too long, garbled or cut short is dropped.
    Kind feed(uint8_t byte);
    const uint8_t *contents() const { return buffer_; }
    uint8_t length() const { return length_; }

private:
    bool decode();

    uint8_t buffer_[FRAME_CONTENTS + 3];
    uint8_t length_;
    bool inside_;
};

}  // namespace pk
