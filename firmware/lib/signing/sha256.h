// SHA-256 over any number of portions; small code before speed.
// Ref: FIPS 180-4 sections 4.1.2, 5 and 6.2.
#pragma once
#include <stdint.h>

namespace pk {

const uint8_t SHA256_BYTES = 32, SHA256_BLOCK_BYTES = 64;

class Sha256 {
public:
    Sha256() { begin(); }
    // Forgets all that was fed.
    void begin();
    void feed(uint8_t byte);
    void feed(const uint8_t *data, uint16_t length);
    // The digest of all that was fed; then only begin() makes sense.
    void finish(uint8_t digest[SHA256_BYTES]);

private:
    void compress();

    uint32_t state_[8], block_[16];  // a block's words are shifted in byte by byte, whatever the CPU's byte order
    uint16_t length_;                // bytes: a board's messages are short
};

}  // namespace pk
