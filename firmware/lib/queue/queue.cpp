#include "queue.h"

namespace pk {

bool ReadingQueue::push(const Reading &reading, Reading *dropped)
{
    bool full = count_ == CAPACITY;
    if (full) {
        *dropped = oldest();
        pop();
    }
    ring_[(first_ + count_) % CAPACITY] = reading;
    count_++;
    return full;
}

void ReadingQueue::pop()
{
    if (count_ == 0) return;
    first_ = static_cast<uint8_t>((first_ + 1) % CAPACITY);
    count_--;
}

}  // namespace pk
