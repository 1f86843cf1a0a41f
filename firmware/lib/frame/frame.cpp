#include "frame.h"

#include "crc16.h"

namespace pk {

uint8_t encode_frame(const uint8_t *contents, uint8_t length, uint8_t wire[FRAME_ON_WIRE])
{
    const uint16_t crc = crc16(contents, length);
    uint8_t at = 2, run_at = 1;
    wire[0] = FRAME_BEGIN;
    for (uint8_t i = 0; i < length + 2; i++) {
        const uint8_t byte = i < length ? contents[i] : static_cast<uint8_t>(i == length ? crc : crc >> 8);
        if (byte) {
            wire[at++] = byte;
            continue;
        }
        wire[run_at] = static_cast<uint8_t>(at - run_at);
        run_at = at++;
    }
    wire[run_at] = static_cast<uint8_t>(at - run_at);
    wire[at++] = FRAME_END;
    return at;
}

FrameReader::Kind FrameReader::feed(uint8_t byte)
{
    if (!inside_) {
        if (byte == FRAME_BEGIN) {
            inside_ = true;
            length_ = 0;
            return NOTHING;
        }
        return byte == FRAME_END ? NOTHING : TEXT;
    }
    if (byte == FRAME_END) {
        inside_ = false;
        return decode() ? FRAME : NOTHING;
    }
    if (length_ == sizeof buffer_)
        inside_ = false;
    else
        buffer_[length_++] = byte;
    return NOTHING;
}

// COBS in place: each run is preceded by its length, and followed by a zero that is not sent.
bool FrameReader::decode()
{
    uint8_t from = 0, to = 0;
    while (from < length_) {
        const uint8_t run = buffer_[from++];
        if (run - 1 > length_ - from) return false;
        for (uint8_t i = 1; i < run; i++) buffer_[to++] = buffer_[from++];
        if (from < length_) buffer_[to++] = 0;
    }
    if (to < 3) return false;
    length_ = static_cast<uint8_t>(to - 2);
    return crc16(buffer_, length_) == static_cast<uint16_t>(buffer_[length_] | buffer_[length_ + 1] << 8);
}

}  // namespace pk
