#include "hmac.h"

namespace pk {
namespace {

const uint8_t INNER_PAD = 0x36, OUTER_PAD = 0x5c;

}  // namespace

HmacSha256::HmacSha256(const uint8_t *key, uint8_t key_bytes) : key_(key), key_bytes_(key_bytes)
{
    feed_key(INNER_PAD);
}

void HmacSha256::feed_key(uint8_t pad)
{
    for (uint8_t i = 0; i < SHA256_BLOCK_BYTES; i++)
        hash_.feed(static_cast<uint8_t>(i < key_bytes_ ? key_[i] ^ pad : pad));
}

void HmacSha256::finish(uint8_t code[SHA256_BYTES])
{
    hash_.finish(code);
    hash_.begin();
    feed_key(OUTER_PAD);
    hash_.feed(code, SHA256_BYTES);
    hash_.finish(code);
}

}  // namespace pk
