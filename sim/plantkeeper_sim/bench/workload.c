/* The compute-bound program that every emulator runs: what firmware does when it computes.
 *
 * A pass fills a buffer (32-bit LCG), checks it (CRC-16 bit by bit, CRC-8 over a table in flash), sorts it
 * (Shell sort, and qsort through a function pointer), filters it (16 × 16 → 32 bit products), formats it
 * (32-bit division), measures it (soft float) and moves it about (memmove, a ring with wrap-around). Nothing
 * here is chosen for the sake of an emulator.
 *
 * It speaks over USART0 without ever polling it: 'S' when it starts, eight hexadecimal digits of a checksum
 * and a line feed when it ends, with pauses longer than a frame between them. So the cycles that it takes do
 * not depend on how an emulator models the USART, and every emulator must count the same. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef PASSES
#error "PASSES: how often to do it"
#endif

#define WORDS 128
#define RING 61

static uint16_t words[WORDS];
static uint8_t ring[RING];
static uint8_t ring_at;
static char text[12];
volatile uint32_t checksum = 0xFFFFFFFF;

/* CRC-8, polynomial 0x31, by nibbles */
static const uint8_t crc8_table[16] PROGMEM = {0x00, 0x31, 0x62, 0x53, 0xC4, 0xF5, 0xA6, 0x97,
                                               0xB9, 0x88, 0xDB, 0xEA, 0x7D, 0x4C, 0x1F, 0x2E};

static uint32_t lcg(uint32_t *state)
{
    *state = *state * 1664525UL + 1013904223UL;
    return *state;
}

static __attribute__((noinline)) void fill(uint32_t seed)
{
    for (uint8_t i = 0; i < WORDS; i++) words[i] = (uint16_t)(lcg(&seed) >> 13);
}

static __attribute__((noinline)) uint16_t crc16(const uint8_t *data, uint16_t length)
{
    uint16_t crc = 0xFFFF;
    while (length--) {
        crc ^= (uint16_t)*data++ << 8;
        for (uint8_t bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (uint16_t)(crc << 1) ^ 0x1021 : (uint16_t)(crc << 1);
    }
    return crc;
}

static __attribute__((noinline)) uint8_t crc8(const uint8_t *data, uint16_t length)
{
    uint8_t crc = 0xFF;
    while (length--) {
        crc ^= *data++;
        crc = (uint8_t)(crc << 4) ^ pgm_read_byte(&crc8_table[crc >> 4]);
        crc = (uint8_t)(crc << 4) ^ pgm_read_byte(&crc8_table[crc >> 4]);
    }
    return crc;
}

static __attribute__((noinline)) void shell_sort(uint16_t *values, uint8_t count)
{
    for (uint8_t gap = count / 2; gap; gap /= 2) {
        for (uint8_t i = gap; i < count; i++) {
            uint16_t value = values[i];
            uint8_t at = i;
            for (; at >= gap && values[at - gap] > value; at -= gap) values[at] = values[at - gap];
            values[at] = value;
        }
    }
}

static int descending(const void *left, const void *right)
{
    uint16_t a = *(const uint16_t *)left, b = *(const uint16_t *)right;
    return a < b ? 1 : a > b ? -1 : 0;
}

/* Unsigned only: QEMU 7.2 goes astray in libgcc's signed 16 × 16 product (__mulhisi3, where SBRS skips a RET). */
static __attribute__((noinline)) uint32_t filter(void)
{
    static const uint16_t taps[8] = {31, 120, 400, 2048, 2048, 400, 120, 31};
    uint32_t energy = 0;
    for (uint8_t i = 0; i + 8 <= WORDS; i++) {
        uint32_t sum = 0;
        for (uint8_t tap = 0; tap < 8; tap++) sum += (uint32_t)taps[tap] * words[i + tap];
        energy += sum >> 12;
    }
    return energy;
}

static __attribute__((noinline)) uint8_t format(uint32_t value)
{
    uint8_t length = 0;
    do {
        text[length++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (uint8_t i = 0; i < length / 2; i++) {
        char kept = text[i];
        text[i] = text[length - 1 - i], text[length - 1 - i] = kept;
    }
    return length;
}

static __attribute__((noinline)) void ring_put(const char *data, uint8_t length)
{
    while (length--) {
        ring[ring_at] = (uint8_t)*data++;
        if (++ring_at == RING) ring_at = 0;
    }
}

static __attribute__((noinline)) int16_t mean_tenths(void)
{
    float mean = 0;
    for (uint8_t i = 0; i < WORDS; i += 8) mean += ((float)words[i] - mean) * 0.25f;
    return (int16_t)(mean * 0.1f);
}

static uint32_t mix(uint32_t sum, uint32_t value) { return ((sum << 5) | (sum >> 27)) ^ value; }

static uint32_t pass(uint32_t sum)
{
    fill(sum);
    sum = mix(sum, crc16((const uint8_t *)words, sizeof words));
    sum = mix(sum, filter());
    shell_sort(words, WORDS);
    sum = mix(sum, crc8((const uint8_t *)words, sizeof words));
    memmove(words + 3, words, sizeof words - 6);
    sum = mix(sum, (uint16_t)mean_tenths());
    qsort(words + WORDS / 2, WORDS / 4, sizeof words[0], descending);
    for (uint8_t i = 0; i < WORDS; i += 16) ring_put(text, format(words[i] * (uint32_t)words[i + 7]));
    return mix(sum, crc16(ring, sizeof ring));
}

static void send(uint8_t byte)
{
    UDR0 = byte;
    for (uint8_t i = 0; i < 100; i++) __asm__ volatile(""); /* a frame takes 80 cycles */
}

int main(void)
{
    cli();
    UCSR0A = _BV(U2X0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(TXEN0);
    send('S');
    uint32_t sum = 1;
    for (uint16_t i = 0; i < PASSES; i++) sum = pass(sum);
    checksum = sum;
    for (uint8_t digit = 0; digit < 8; digit++, sum <<= 4) send((uint8_t)"0123456789abcdef"[sum >> 28]);
    send('\n');
    SMCR = _BV(SE);
    /* asleep with interrupts off: the end */
    __asm__ volatile("sleep\n.global benchmark_end\nbenchmark_end:\nrjmp benchmark_end\n");
    __builtin_unreachable();
}
