#include "backoff.h"

namespace pk {

uint32_t Backoff::fail_ms(uint16_t retry_after_s)
{
    uint32_t whole_ms = BACKOFF_FIRST_MS << failures_;
    if (whole_ms > BACKOFF_LONGEST_MS) whole_ms = BACKOFF_LONGEST_MS;
    if (failures_ < DOUBLINGS) failures_++;
    const uint32_t pause_ms = whole_ms / 2 + random_.below(whole_ms / 2 + 1);

    if (retry_after_s > RETRY_AFTER_LONGEST_S) retry_after_s = RETRY_AFTER_LONGEST_S;
    const uint32_t asked_ms = retry_after_s * 1000UL + random_.below(retry_after_s * 250UL + 1);
    return pause_ms > asked_ms ? pause_ms : asked_ms;
}

}  // namespace pk
