// HMAC-SHA-256. Ref: RFC 2104; test vectors in RFC 4231.
#pragma once
#include "sha256.h"
#include "text.h"

namespace pk {

// Authenticates the text that is written to it.
class HmacSha256 : public TextWriter {
public:
    // The key, of at most 64 bytes, must stay where it is.
    HmacSha256(const uint8_t *key, uint8_t key_bytes);
    void finish(uint8_t code[SHA256_BYTES]);

private:
    void write(char c) { hash_.feed(static_cast<uint8_t>(c)); }
    void feed_key(uint8_t pad);

    const uint8_t *key_;
    uint8_t key_bytes_;
    Sha256 hash_;
};

}  // namespace pk
