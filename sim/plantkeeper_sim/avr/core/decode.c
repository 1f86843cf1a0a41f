/* Predecoding: each flash word becomes a handler and its operands (AVR Instruction Set Manual, DS40002198).
 * Every word has an entry of its own, so a jump into the middle of a fused pair finds the second half. */
#include <stdlib.h>

#include "machine.h"
#include "ops.h"

static int is_two_words(uint16_t w)
{
    return (w & 0xFE0F) == 0x9000 || (w & 0xFE0F) == 0x9200 || (w & 0xFE0C) == 0x940C;
}

static uint8_t branch_handler(uint16_t w)
{
    static const uint8_t if_set[8] = {OP_BRCS, OP_BREQ, OP_BRMI, OP_BRVS, OP_BRLT, OP_BRHS, OP_BRTS, OP_BRIE};
    static const uint8_t if_clear[8] = {OP_BRCC, OP_BRNE, OP_BRPL, OP_BRVC, OP_BRGE, OP_BRHC, OP_BRTC, OP_BRID};
    return (w & 0x0400) ? if_clear[w & 7] : if_set[w & 7];
}

static uint8_t decode_two_register(uint16_t w)
{
    switch (w >> 10) {
    case 0x01: return OP_CPC;
    case 0x02: return OP_SBC;
    case 0x03: return OP_ADD;
    case 0x04: return OP_CPSE;
    case 0x05: return OP_CP;
    case 0x06: return OP_SUB;
    case 0x07: return OP_ADC;
    case 0x08: return OP_AND;
    case 0x09: return OP_EOR;
    case 0x0A: return OP_OR;
    case 0x0B: return OP_MOV;
    default: return OP_MUL; /* 0x27 */
    }
}

static uint8_t decode_load_store(uint16_t w)
{
    /* 1001 00sd dddd xxxx */
    static const uint8_t load[16] = {OP_LDS, OP_LDZP, OP_LDZM, OP_ILLEGAL, OP_LPM, OP_LPMP, OP_ILLEGAL, OP_ILLEGAL,
                                     OP_ILLEGAL, OP_LDYP, OP_LDYM, OP_ILLEGAL, OP_LDX, OP_LDXP, OP_LDXM, OP_POP};
    static const uint8_t store[16] = {OP_STS, OP_STZP, OP_STZM, OP_ILLEGAL, OP_ILLEGAL, OP_ILLEGAL, OP_ILLEGAL,
                                      OP_ILLEGAL, OP_ILLEGAL, OP_STYP, OP_STYM, OP_ILLEGAL, OP_STX, OP_STXP,
                                      OP_STXM, OP_PUSH};
    return (w & 0x0200) ? store[w & 15] : load[w & 15];
}

static uint8_t decode_one_register(uint16_t w)
{
    /* 1001 010d dddd xxxx, low nibble below 8 or 0xA */
    switch (w & 15) {
    case 0x0: return OP_COM;
    case 0x1: return OP_NEG;
    case 0x2: return OP_SWAP;
    case 0x3: return OP_INC;
    case 0x5: return OP_ASR;
    case 0x6: return OP_LSR;
    case 0x7: return OP_ROR;
    case 0xA: return OP_DEC;
    default: return OP_ILLEGAL;
    }
}

static uint8_t decode_misc(uint16_t w)
{
    switch (w) {
    case 0x9409: return OP_IJMP;
    case 0x9509: return OP_ICALL;
    case 0x9508: return OP_RET;
    case 0x9518: return OP_RETI;
    case 0x9588: return OP_SLEEP;
    case 0x9598: return OP_BREAK;
    case 0x95A8: return OP_WDR;
    case 0x95C8: return OP_LPM0;
    case 0x95E8: return OP_SPM;
    case 0x9478: return OP_SEI;
    case 0x94F8: return OP_CLI;
    default: break;
    }
    if ((w & 0xFF8F) == 0x9408) return OP_BSET;
    if ((w & 0xFF8F) == 0x9488) return OP_BCLR;
    return OP_ILLEGAL;
}

static void decode_9(avr_op *op, uint16_t w, uint16_t next)
{
    if ((w & 0xFC00) == 0x9C00) {
        op->single = OP_MUL, op->a = (w >> 4) & 31, op->b = (uint8_t)((w & 15) | ((w >> 5) & 16));
    } else if ((w & 0xFC00) == 0x9000) {
        op->single = decode_load_store(w), op->a = (w >> 4) & 31, op->k = next;
    } else if ((w & 0xFE0E) == 0x940C || (w & 0xFE0E) == 0x940E) {
        op->single = (w & 2) ? OP_CALL : OP_JMP;
        op->k = next & (FLASH_WORDS - 1);
        op->b = (w & 0x01F1) || next >= FLASH_WORDS; /* target beyond this part's flash */
    } else if ((w & 0xFE00) == 0x9400) {
        op->a = (w >> 4) & 31;
        op->single = ((w & 15) < 8 || (w & 15) == 10) ? decode_one_register(w) : decode_misc(w);
        if (op->single == OP_BSET || op->single == OP_BCLR) op->a = (uint8_t)(1u << ((w >> 4) & 7));
    } else if ((w & 0xFE00) == 0x9600) {
        op->single = (w & 0x0100) ? OP_SBIW : OP_ADIW;
        op->a = (uint8_t)(24 + 2 * ((w >> 4) & 3)), op->k = (w & 15) | ((w >> 2) & 0x30);
    } else { /* 1001 10xx AAAA Abbb */
        static const uint8_t bit_ops[4] = {OP_CBI, OP_SBIC, OP_SBI, OP_SBIS};
        op->single = bit_ops[(w >> 8) & 3];
        op->a = (uint8_t)(0x20 + ((w >> 3) & 31)), op->b = (uint8_t)(1u << (w & 7));
    }
}

static void decode_0(avr_op *op, uint16_t w)
{
    op->a = (w >> 4) & 31, op->b = (uint8_t)((w & 15) | ((w >> 5) & 16));
    if (w == 0) {
        op->single = OP_NOP;
    } else if ((w & 0xFF00) == 0x0100) {
        op->single = OP_MOVW, op->a = (uint8_t)(2 * ((w >> 4) & 15)), op->b = (uint8_t)(2 * (w & 15));
    } else if ((w & 0xFF00) == 0x0200) {
        op->single = OP_MULS, op->a = (uint8_t)(16 + ((w >> 4) & 15)), op->b = (uint8_t)(16 + (w & 15));
    } else if ((w & 0xFF00) == 0x0300) {
        static const uint8_t kind[4] = {OP_MULSU, OP_FMUL, OP_FMULS, OP_FMULSU};
        op->single = kind[((w >> 6) & 2) | ((w >> 3) & 1)];
        op->a = (uint8_t)(16 + ((w >> 4) & 7)), op->b = (uint8_t)(16 + (w & 7));
    } else if (w < 0x0400) {
        op->single = OP_ILLEGAL;
    } else {
        op->single = decode_two_register(w);
    }
}

static void decode_io(avr_op *op, uint16_t w)
{
    uint16_t address = (uint16_t)(0x20 + ((w & 15) | ((w >> 5) & 0x30)));
    int out = (w & 0x0800) != 0;
    op->a = (w >> 4) & 31, op->k = address;
    op->single = out ? OP_OUT : OP_IN;
    if (address == R_SREG) op->single = out ? OP_OUTSREG : OP_INSREG;
    if (address == R_SPL) op->single = out ? OP_OUTSPL : OP_INSPL;
    if (address == R_SPH) op->single = out ? OP_OUTSPH : OP_INSPH;
}

static void decode_one(avr_op *op, uint16_t w, uint16_t next, uint32_t at)
{
    switch (w >> 12) {
    case 0x0: decode_0(op, w); break;
    case 0x1: case 0x2:
        op->single = decode_two_register(w);
        op->a = (w >> 4) & 31, op->b = (uint8_t)((w & 15) | ((w >> 5) & 16));
        break;
    case 0x3: case 0x4: case 0x5: case 0x6: case 0x7: case 0xE: {
        static const uint8_t immediate[16] = {[3] = OP_CPI, [4] = OP_SBCI, [5] = OP_SUBI, [6] = OP_ORI, [7] = OP_ANDI, [14] = OP_LDI};
        op->single = immediate[w >> 12];
        op->a = (uint8_t)(16 + ((w >> 4) & 15)), op->b = (uint8_t)((w & 15) | ((w >> 4) & 0xF0));
        break;
    }
    case 0x8: case 0xA:
        op->a = (w >> 4) & 31, op->k = (w & 7) | ((w >> 7) & 0x18) | ((w >> 8) & 0x20);
        op->single = (w & 0x0200) ? ((w & 8) ? OP_STDY : OP_STDZ) : ((w & 8) ? OP_LDDY : OP_LDDZ);
        break;
    case 0x9: decode_9(op, w, next); break;
    case 0xB: decode_io(op, w); break;
    case 0xC: case 0xD:
        op->single = (w & 0x1000) ? OP_RCALL : OP_RJMP;
        op->k = (uint16_t)((at + 1 + (w & 0x0FFF) + ((w & 0x0800) ? 0xF000u : 0)) & (FLASH_WORDS - 1));
        break;
    default: /* 0xF */
        if (!(w & 0x0800)) {
            op->single = branch_handler(w);
            op->k = (uint16_t)((at + 1 + ((w >> 3) & 0x7F) + ((w & 0x0200) ? 0xFF80u : 0)) & (FLASH_WORDS - 1));
        } else if (w & 8) {
            op->single = OP_ILLEGAL;
        } else {
            static const uint8_t bit_ops[4] = {OP_BLD, OP_BST, OP_SBRC, OP_SBRS};
            op->single = bit_ops[(w >> 9) & 3];
            op->a = (w >> 4) & 31, op->b = (uint8_t)(1u << (w & 7));
        }
    }
}

static int skips(uint8_t handler)
{
    return handler == OP_CPSE || handler == OP_SBRC || handler == OP_SBRS || handler == OP_SBIC || handler == OP_SBIS;
}

static int words_of(const avr_op *op) { return op->single == OP_LDS || op->single == OP_STS ? 2 : 1; }

/* What stands at `op` and can run as one: its handler, the longest first; else its own. */
static uint8_t fuse(const avr_op *op)
{
    static const uint8_t fused[][8] = { /* handler, number of instructions, instructions */
#define H(name, cycles)
#define E(name, cycles)
#define F2(a, b) {OP_F_##a##_##b, 2, OP_##a, OP_##b},
#define F3(a, b, c) {OP_F_##a##_##b##_##c, 3, OP_##a, OP_##b, OP_##c},
#define F4(a, b, c, d) {OP_F_##a##_##b##_##c##_##d, 4, OP_##a, OP_##b, OP_##c, OP_##d},
#define F5(a, b, c, d, e) {OP_F_##a##_##b##_##c##_##d##_##e, 5, OP_##a, OP_##b, OP_##c, OP_##d, OP_##e},
#define B2(a, b) F2(a, b)
#define B3(a, b, c) F3(a, b, c)
#define B4(a, b, c, d) F4(a, b, c, d)
#define B5(a, b, c, d, e) F5(a, b, c, d, e)
#define B6(a, b, c, d, e, f) {OP_F_##a##_##b##_##c##_##d##_##e##_##f, 6, OP_##a, OP_##b, OP_##c, OP_##d, OP_##e, OP_##f},
#define W2(a, b) F2(a, b)
#define J2(a, b) F2(a, b)
#include "handlers.def"
    };
    for (size_t i = 0; i < sizeof fused / sizeof fused[0]; i++) {
        const avr_op *next = op;
        int at = 0;
        while (at < fused[i][1] && next->single == fused[i][2 + at]) next += words_of(next), at++;
        if (at == fused[i][1]) return fused[i][0];
    }
    return op->single;
}

static int ends_block(uint8_t handler)
{
    static const uint8_t ends[OP_COUNT] = {
#define H(name, cycles) 0,
#define E(name, cycles) 1,
#include "handlers.def"
    };
    return ends[handler];
}

/* At most 49 152 cycles, where all of the flash were LPM: they fit. */
static void measure_blocks(avr_op *ops)
{
    for (uint32_t at = FLASH_WORDS; at-- > 0;) {
        avr_op *op = &ops[at];
        op->run = (uint16_t)(op_cycles[op->single] + (ends_block(op->single) ? 0 : op[words_of(op)].run));
    }
}

/* The longest fused sequence: words before a change may begin one that reaches into it. */
#define FUSE_REACH 12u

/* Decode the words from `first` to before `end` anew, and what depends on them before. */
static void decode(struct avr_flash *flash, uint32_t first, uint32_t end)
{
    uint32_t words = (flash->bytes + 1) / 2;
    /* A first word knows its second, and a skip what it passes: the last word's next is word 0. */
    if (first)
        first--;
    else
        end = FLASH_WORDS;
    for (uint32_t at = first; at < end; at++) {
        avr_op *op = &flash->ops[at];
        if (at >= words) {
            op->single = op->handler = OP_OUTSIDE;
            continue;
        }
        uint32_t after = (at + 1) & (FLASH_WORDS - 1);
        uint16_t w = (uint16_t)(flash->image[2 * at] | flash->image[2 * at + 1] << 8);
        uint16_t next = (uint16_t)(flash->image[2 * after] | flash->image[2 * after + 1] << 8);
        decode_one(op, w, next, at);
        if (skips(op->single)) op->k = is_two_words(next) ? 2 : 1;
        op->handler = op->single;
    }
    /* Falling off the end of a full flash, at most by a skip over a two-word instruction. */
    for (uint32_t at = FLASH_WORDS; at < FLASH_WORDS + 3; at++)
        flash->ops[at] = (avr_op){.handler = OP_OUTSIDE, .single = OP_OUTSIDE};
    for (uint32_t at = first > FUSE_REACH ? first - FUSE_REACH : 0; at < end; at++)
        flash->ops[at].handler = fuse(&flash->ops[at]);
    measure_blocks(flash->ops);
}

AVR_EXPORT avr_flash *avr_flash_new(const uint8_t *image, uint32_t bytes, uint64_t id)
{
    if (bytes > FLASH_WORDS * 2) return NULL;
    avr_flash *flash = calloc(1, sizeof *flash);
    if (!flash) return NULL;
    memset(flash->image, 0xFF, sizeof flash->image);
    memcpy(flash->image, image, bytes);
    flash->bytes = bytes;
    flash->id = id;
    decode(flash, 0, FLASH_WORDS);
    return flash;
}

AVR_EXPORT void avr_flash_free(avr_flash *flash) { free(flash); }

void avr_flash_change(struct avr_flash *flash, uint32_t page, const uint8_t bytes[AVR_FLASH_PAGE_SIZE])
{
    uint32_t end = page + AVR_FLASH_PAGE_SIZE, known = (flash->bytes + 1) / 2;
    memcpy(flash->image + page, bytes, AVR_FLASH_PAGE_SIZE);
    if (end > flash->bytes) flash->bytes = end; /* from now on what lies before is erased flash, not nothing */
    decode(flash, page / 2 < known ? page / 2 : known, end / 2);
}

AVR_EXPORT void avr_flash_cover(avr_flash *flash)
{
    for (uint32_t at = 0; at < FLASH_WORDS; at++) flash->ops[at].handler = OP_COVER;
}

AVR_EXPORT void avr_flash_covered(const avr_flash *flash, uint8_t *words)
{
    for (uint32_t at = 0; at < FLASH_WORDS; at++) words[at] = flash->ops[at].handler != OP_COVER;
}

AVR_EXPORT void avr_flash_read(const avr_flash *flash, uint8_t *bytes)
{
    memcpy(bytes, flash->image, sizeof flash->image);
}
