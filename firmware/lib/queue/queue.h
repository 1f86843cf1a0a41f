// Readings that wait for the gateway's acknowledgement: a ring in RAM, oldest first.
#pragma once
#include <stdint.h>

namespace pk {

struct Reading {
    uint32_t seq;
    uint32_t taken_at;  // 4 s ticks since boot
    int16_t temperature_tenths;
    uint16_t light;
    uint8_t humidity;
    uint8_t attempts;
};

class ReadingQueue {
public:
    static const uint8_t CAPACITY = 8;

    ReadingQueue() : first_(0), count_(0) {}
    bool empty() const { return count_ == 0; }
    uint8_t size() const { return count_; }
    Reading &oldest() { return ring_[first_]; }
    // Puts a reading in; where the ring is full, the oldest goes to *dropped and true is returned.
    bool push(const Reading &reading, Reading *dropped);
    void pop();

private:
    Reading ring_[CAPACITY];
    uint8_t first_, count_;
};

}  // namespace pk
