// What an answer's status means for the reading (docs/architecture.md section 5).
#pragma once
#include <stdint.h>

namespace pk {

enum Meaning {
    STORED,        // 200
    REFUSED,       // 400, 413, 422: for good; the same again would be answered the same
    UNAUTHORISED,  // 401, 403: kept until somebody gives board or gateway the right key
    BUSY,          // 429, 503: the gateway says when to come again
    UNCLEAR        // everything else: kept
};

inline Meaning meaning_of(uint16_t status)
{
    switch (status) {
    case 200: return STORED;
    case 400:
    case 413:
    case 422: return REFUSED;
    case 401:
    case 403: return UNAUTHORISED;
    case 429:
    case 503: return BUSY;
    default: return UNCLEAR;
    }
}

}  // namespace pk
