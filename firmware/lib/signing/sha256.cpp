#include "sha256.h"

#include <string.h>

#include "text.h"

namespace pk {
namespace {

const uint8_t ROUNDS = 64, WORDS = 16, LENGTH_AT = 56;

const uint32_t INITIAL[8] PK_FLASH = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

const uint32_t CONSTANTS[ROUNDS] PK_FLASH = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t flash_word(const uint32_t *at)
{
#ifdef __AVR__
    return pgm_read_dword(at);
#else
    return *at;
#endif
}

// Not inlined, since on an 8-bit CPU each copy takes a hundred bytes; whole bytes first, which cost it only moves.
__attribute__((noinline)) uint32_t rotate_right(uint32_t word, uint8_t bits)
{
    for (; bits >= 8; bits = static_cast<uint8_t>(bits - 8)) word = word >> 8 | word << 24;
    for (; bits; bits--) word = word >> 1 | word << 31;
    return word;
}

// Section 4.1.2's sums of three rotations, each made from the one before.
uint32_t sum(uint32_t word, uint8_t first, uint8_t second, uint8_t third)
{
    return rotate_right(word ^ rotate_right(word ^ rotate_right(word, third), second), first);
}

}  // namespace

void Sha256::begin()
{
    for (uint8_t i = 0; i < 8; i++) state_[i] = flash_word(INITIAL + i);
    length_ = 0;
}

void Sha256::feed(uint8_t byte)
{
    uint32_t &word = block_[length_ / 4 % WORDS];
    word = word << 8 | byte;
    length_++;
    if (length_ % SHA256_BLOCK_BYTES == 0) compress();
}

void Sha256::feed(const uint8_t *data, uint16_t length)
{
    while (length--) feed(*data++);
}

void Sha256::finish(uint8_t digest[SHA256_BYTES])
{
    const uint16_t length = length_;
    feed(0x80);
    while (length_ % SHA256_BLOCK_BYTES != LENGTH_AT) feed(0);
    for (uint8_t i = 0; i < 5; i++) feed(0);
    feed(static_cast<uint8_t>(length >> 13));  // in bits
    feed(static_cast<uint8_t>(length >> 5));
    feed(static_cast<uint8_t>(length << 3));
    for (uint8_t i = 0; i < SHA256_BYTES; i++) digest[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
}

void Sha256::compress()
{
    uint32_t s[8];
    memcpy(s, state_, sizeof s);
    for (uint8_t round = 0; round < ROUNDS; round++) {
        uint32_t &word = block_[round % WORDS];
        if (round >= WORDS) {
            const uint32_t near = block_[(round + 14) % WORDS], far = block_[(round + 1) % WORDS];
            word += (rotate_right(near ^ rotate_right(near, 2), 17) ^ near >> 10) + block_[(round + 9) % WORDS] +
                    (rotate_right(far ^ rotate_right(far, 11), 7) ^ far >> 3);
        }
        const uint32_t first = s[7] + sum(s[4], 6, 5, 14) + (s[6] ^ (s[4] & (s[5] ^ s[6]))) +
                               flash_word(CONSTANTS + round) + word;
        const uint32_t second = sum(s[0], 2, 11, 9) + ((s[0] & s[1]) | (s[2] & (s[0] | s[1])));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + second;
    }
    for (uint8_t i = 0; i < 8; i++) state_[i] += s[i];
}

}  // namespace pk
