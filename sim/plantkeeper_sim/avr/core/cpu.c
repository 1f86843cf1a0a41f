/* The hot loop: threaded dispatch over predecoded instructions (AVR Instruction Set Manual, DS40002198).
 *
 * Flags live in locals as the sources from which SREG is made only when somebody looks. An addition leaves its
 * operands and its sum, a subtraction the complement of what it subtracts (P + ~Q + 1), and no more:
 *   C in bit 8 of C (the sum before it is cut to a byte) · Z zero iff the flag is set · N in bit 7 of N
 *   V in bit 7 of (P ^ N) & (Q ^ N), turned round where bit 8 of P is set
 *   S is N ^ V, turned round where bit 9 of P is set (only a program that writes SREG can have it so)
 *   H in bit 4 of P ^ Q ^ N, turned round where bit 10 of Q is set (in a subtraction all its high bits are)
 *   T and I where SREG has them, in TI
 * N has eight bits, P the two more. What sets V but keeps H leaves P = N, so that Q holds H, and says V in bit 8 of P.
 * `left` counts down the cycles to the horizon; the loop leaves at the first instruction boundary at or after it.
 * A block, which runs to the next instruction that may go elsewhere, is paid for when it is entered, so that what is
 * in it counts nothing. Where the horizon comes before its end, the loop goes on in single steps, each paid for and
 * followed by a look at the horizon: neither blocks nor fused instructions move an interrupt. `left` is then lower by
 * STEPPING, so that no block can be paid for. */
#include "machine.h"
#include "ops.h"

#if defined(__GNUC__) && !defined(AVR_NO_COMPUTED_GOTO)
#define THREADED 1
#else
#define THREADED 0
#endif

#define MAX_SLICE ((uint64_t)1 << 40)
#define STEPPING ((int64_t)1 << 60)

#define OVERFLOW() (((P ^ N) & (Q ^ N)) ^ (P >> 1)) /* bit 7 */
#define SIGN() (N ^ OVERFLOW() ^ (P >> 2))          /* bit 7 */
#define HALF() (((P ^ Q ^ N) << 1) ^ (Q >> 5))      /* bit 5 */
#define CARRY() ((C >> 8) & 1)
#define PACK()                                                                                                 \
    (uint8_t)(CARRY() | (Z ? 0 : SREG_Z) | ((N >> 5) & SREG_N) | ((OVERFLOW() >> 4) & SREG_V) |                \
              ((SIGN() >> 3) & SREG_S) | (HALF() & SREG_H) | TI)
#define UNPACK(value)                                                                                          \
    do {                                                                                                       \
        uint32_t sreg_ = (value), n_ = (sreg_ << 5) & 0x80, v_ = (sreg_ << 4) & 0x80;                          \
        C = sreg_ << 8, Z = !(sreg_ & SREG_Z), N = n_, TI = sreg_ & (SREG_T | SREG_I);                         \
        P = n_ | v_ << 1 | ((n_ ^ v_ ^ (sreg_ << 3)) & 0x80) << 2, Q = (sreg_ & SREG_H) >> 1;                  \
    } while (0)

/* What was paid for this instruction and what follows it in its block. */
#define PAID() (bias ? op_cycles[op->single] : op->run)
/* The machine's time within an instruction. A read sees the beginning of the instruction's last cycle, a write
 * takes effect at its end: so OUT TCNT0; NOP; IN TCNT0 reads one more than was written, as the chip does. */
#define SYNC(offset) (m->cycles = horizon - (uint64_t)(left + bias + PAID()) + (offset), m->pc = (uint16_t)(op - ops))
#define SYNC_EVENTS(offset)                                                                                    \
    do {                                                                                                       \
        SYNC(offset);                                                                                          \
        if (UNLIKELY(m->next_due <= m->cycles)) avr_io_events(m);                                              \
    } while (0)
#define STORE_STATE() (m->sreg = PACK(), d[R_SPL] = (uint8_t)sp, d[R_SPH] = (uint8_t)(sp >> 8))
#define LOAD_STATE()                                                                                           \
    do {                                                                                                       \
        UNPACK(m->sreg);                                                                                       \
        sp = (uint16_t)(d[R_SPL] | d[R_SPH] << 8);                                                             \
    } while (0)

#if THREADED
#define CASE(name) L_##name
#define DISPATCH() goto *labels[op->handler]
#define SINGLE() goto *singles[op->single]
#else
#define CASE(name) case OP_##name
#define DISPATCH() goto dispatch
#define SINGLE() do { handler = op->single; goto again; } while (0)
#endif

/* The next instruction of the block. */
#define NEXT(words)                                                                                            \
    do {                                                                                                       \
        op += (words);                                                                                         \
        DISPATCH();                                                                                            \
    } while (0)
/* Enter a block; the instruction that led here took `more` cycles than if it had gone straight on. */
#define ENTER(more)                                                                                            \
    do {                                                                                                       \
        left -= op->run + (more);                                                                              \
        if (UNLIKELY(left < 0)) goto step_from_here;                                                           \
        DISPATCH();                                                                                            \
    } while (0)
#define NEXT_BLOCK(words, more)                                                                                \
    do {                                                                                                       \
        op += (words);                                                                                         \
        ENTER(more);                                                                                           \
    } while (0)
#define GOTO(target, more)                                                                                     \
    do {                                                                                                       \
        op = ops + (target);                                                                                   \
        ENTER(more);                                                                                           \
    } while (0)
/* As NEXT_BLOCK, after an access that may have moved the horizon. */
#define NEXT_IO(words)                                                                                         \
    do {                                                                                                       \
        op += (words);                                                                                         \
        if (UNLIKELY(m->resched)) goto leave;                                                                  \
        ENTER(0);                                                                                              \
    } while (0)
#define FAULT(code, address)                                                                                   \
    do {                                                                                                       \
        SYNC(0);                                                                                               \
        avr_fault(m, (code), (uint16_t)(address));                                                             \
        goto leave_before;                                                                                     \
    } while (0)
#define FLASH_AT(op_) (2 * ((size_t)((op_) - ops) & (FLASH_WORDS - 1)))
#define OPCODE(op_) (flash->image[FLASH_AT(op_)] | flash->image[FLASH_AT(op_) + 1] << 8)

#define ADD_BYTES(x, y, carry)                                                                                    \
    do {                                                                                                       \
        uint32_t p_ = (x), q_ = (y), r_ = p_ + q_ + (carry);                                                   \
        P = p_, Q = q_, C = r_, N = Z = result = (uint8_t)r_;                                                  \
    } while (0)
#define SUB_BYTES(x, y)                                                                                           \
    do {                                                                                                       \
        uint32_t p_ = (x), q_ = (y), r_ = p_ - q_;                                                             \
        P = p_, Q = ~q_, C = r_, N = Z = result = (uint8_t)r_;                                                 \
    } while (0)
#define SBC_BYTES(x, y)                                                                                           \
    do {                                                                                                       \
        uint32_t p_ = (x), q_ = (y), r_ = p_ - q_ - CARRY();                                                   \
        P = p_, Q = ~q_, C = r_, N = result = (uint8_t)r_, Z |= N;                                             \
    } while (0)
/* N, Z and V of an operation that keeps H. */
#define SET_NZV(n, z, overflow_in_bit_8)                                                                       \
    do {                                                                                                       \
        Q ^= P ^ N;                                                                                            \
        N = (n), Z = (z), P = N | (overflow_in_bit_8);                                                         \
    } while (0)
#define LOGIC(value)                                                                                        \
    do {                                                                                                       \
        result = (uint8_t)(value);                                                                             \
        SET_NZV(result, result, 0);                                                                            \
    } while (0)
/* The byte comes with the bit that moves in as its bit 8; its bit 0 moves out. V is N ^ C (manual, ROR). */
#define SHIFT(nine_bits)                                                                                    \
    do {                                                                                                       \
        uint32_t before_ = (nine_bits);                                                                        \
        result = (uint8_t)(before_ >> 1), C = before_ << 8;                                                    \
        SET_NZV(result, result, (C ^ (uint32_t)result << 1) & 0x100);                                          \
    } while (0)
#define CARRY_IN() (C & 0x100)

#define X_REG 26
#define Y_REG 28
#define Z_REG 30
/* A pair's bytes are loaded one by one: they were mostly written so, and a wider load would have to wait until the
 * narrower stores have reached the cache. */
#define REGISTER(reg) (*(const volatile uint8_t *)&d[reg])
#define POINTER(reg) ((uint16_t)(REGISTER(reg) | REGISTER((reg) + 1) << 8))
/* Add to a pair, byte by byte too: what comes next waits for the low byte only. */
#define MOVE_POINTER(reg, delta)                                                                               \
    do {                                                                                                       \
        int32_t low_ = REGISTER(reg) + (delta), high_ = REGISTER((reg) + 1) + (low_ >> 8);                     \
        d[reg] = (uint8_t)low_, d[(reg) + 1] = (uint8_t)high_;                                                 \
        moved = (uint16_t)((low_ & 0xFF) | high_ << 8);                                                        \
    } while (0)

/* A load or store is in RAM, in the register file, in I/O space, or nowhere. */
#define LOAD(address_, words)                                                                                  \
    do {                                                                                                       \
        address = (uint16_t)(address_);                                                                        \
        if (LIKELY((uint16_t)(address - SRAM_START) < SRAM_SIZE)) {                                            \
            d[op->a] = d[address];                                                                             \
        } else {                                                                                               \
            step = (words);                                                                                    \
            goto slow_load;                                                                                    \
        }                                                                                                      \
    } while (0)
#define STORE(address_, words)                                                                                 \
    do {                                                                                                       \
        address = (uint16_t)(address_);                                                                        \
        if (LIKELY((uint16_t)(address - SRAM_START) < SRAM_SIZE)) {                                            \
            d[address] = d[op->a];                                                                             \
        } else {                                                                                               \
            step = (words);                                                                                    \
            goto slow_store;                                                                                   \
        }                                                                                                      \
    } while (0)

#define LOAD_AFTER(reg)                                                                                        \
    do {                                                                                                       \
        MOVE_POINTER(reg, 1);                                                                                  \
        LOAD(moved - 1, 1);                                                                                    \
    } while (0)
#define LOAD_BEFORE(reg)                                                                                       \
    do {                                                                                                       \
        MOVE_POINTER(reg, -1);                                                                                 \
        LOAD(moved, 1);                                                                                        \
    } while (0)
#define STORE_AFTER(reg)                                                                                       \
    do {                                                                                                       \
        MOVE_POINTER(reg, 1);                                                                                  \
        STORE(moved - 1, 1);                                                                                   \
    } while (0)
#define STORE_BEFORE(reg)                                                                                      \
    do {                                                                                                       \
        MOVE_POINTER(reg, -1);                                                                                 \
        STORE(moved, 1);                                                                                       \
    } while (0)

#define STACK_ROOM(bytes)                                                                                      \
    do {                                                                                                       \
        if (UNLIKELY((uint16_t)(sp - SRAM_START) >= SRAM_SIZE || (uint16_t)(sp - (bytes) + 1) < SRAM_START))   \
            FAULT(AVR_FAULT_DATA, sp);                                                                         \
        if (UNLIKELY((uint16_t)(sp - (bytes) + 1) < stack_limit)) FAULT(AVR_FAULT_STACK, sp - (bytes) + 1);    \
        if ((uint16_t)(sp - (bytes)) < m->stack_low) m->stack_low = (uint16_t)(sp - (bytes));                  \
    } while (0)
#define STACK_HAS(bytes)                                                                                       \
    do {                                                                                                       \
        if (UNLIKELY((uint16_t)(sp + 1 - SRAM_START) >= SRAM_SIZE || (uint32_t)sp + (bytes) > RAMEND))         \
            FAULT(AVR_FAULT_DATA, sp + (bytes));                                                               \
    } while (0)
#define PUSH_PC(value)                                                                                         \
    do {                                                                                                       \
        uint32_t ret_ = (uint32_t)(value) & (FLASH_WORDS - 1);                                                 \
        STACK_ROOM(2);                                                                                         \
        d[sp] = (uint8_t)ret_, d[sp - 1] = (uint8_t)(ret_ >> 8), sp = (uint16_t)(sp - 2);                      \
    } while (0)
#define SKIP(condition)                                                                                        \
    do {                                                                                                       \
        if (condition) {                                                                                       \
            step = op->k; /* the words passed, a cycle each */                                                 \
            NEXT_BLOCK(1 + step, step);                                                                        \
        }                                                                                                      \
        NEXT_BLOCK(1, 0);                                                                                      \
    } while (0)

#define PRODUCT(left_operand, right_operand, shift)                                                            \
    do {                                                                                                       \
        uint16_t product_ = (uint16_t)((left_operand) * (right_operand));                                      \
        C = (uint32_t)product_ >> 7, product_ = (uint16_t)(product_ << (shift)), Z = product_; \
        d[0] = (uint8_t)product_, d[1] = (uint8_t)(product_ >> 8);                                             \
    } while (0)
#define ADD_WORD(delta)                                                                                        \
    do {                                                                                                       \
        MOVE_POINTER(op->a, (delta));                                                                          \
        uint32_t after_ = moved, before_ = (uint16_t)(after_ - (delta));                                       \
        C = (before_ & ~after_) >> 7;                                                                          \
        SET_NZV(after_ >> 8, after_, ((~before_ & after_) >> 7) & 0x100);                                      \
    } while (0)
#define SUB_WORD(delta)                                                                                        \
    do {                                                                                                       \
        MOVE_POINTER(op->a, -(delta));                                                                         \
        uint32_t after_ = moved, before_ = (uint16_t)(after_ + (delta));                                       \
        C = (~before_ & after_) >> 7;                                                                          \
        SET_NZV(after_ >> 8, after_, ((before_ & ~after_) >> 7) & 0x100);                                      \
    } while (0)
#define LPM_BYTE(target)                                                                                       \
    do {                                                                                                       \
        address = POINTER(Z_REG);                                                                              \
        if (UNLIKELY(address >= lpm_limit)) goto slow_lpm;                                                     \
        result = flash->image[address];                                                                        \
        d[target] = result;                                                                                    \
    } while (0)

/* What instructions do, alone and within what is fused; `op` is theirs. */
#define I_ADD ADD_BYTES(d[op->a], d[op->b], 0); d[op->a] = result
#define I_ADC ADD_BYTES(d[op->a], d[op->b], CARRY()); d[op->a] = result
#define I_SUB SUB_BYTES(d[op->a], d[op->b]); d[op->a] = result
#define I_SBC SBC_BYTES(d[op->a], d[op->b]); d[op->a] = result
#define I_SUBI SUB_BYTES(d[op->a], op->b); d[op->a] = result
#define I_SBCI SBC_BYTES(d[op->a], op->b); d[op->a] = result
#define I_CP SUB_BYTES(d[op->a], d[op->b])
#define I_CPC SBC_BYTES(d[op->a], d[op->b])
#define I_CPI SUB_BYTES(d[op->a], op->b)
#define I_AND LOGIC(d[op->a] & d[op->b]); d[op->a] = result
#define I_OR LOGIC(d[op->a] | d[op->b]); d[op->a] = result
#define I_EOR LOGIC(d[op->a] ^ d[op->b]); d[op->a] = result
#define I_ANDI LOGIC(d[op->a] & op->b); d[op->a] = result
#define I_ORI LOGIC(d[op->a] | op->b); d[op->a] = result
#define I_INC result = ++d[op->a]; SET_NZV(result, result, (uint32_t)(result == 0x80) << 8)
#define I_DEC result = --d[op->a]; SET_NZV(result, result, (uint32_t)(result == 0x7F) << 8)
#define I_ASR SHIFT(d[op->a] | (d[op->a] & 0x80u) << 1); d[op->a] = result
#define I_LSR SHIFT(d[op->a]); d[op->a] = result
#define I_ROR SHIFT(d[op->a] | CARRY_IN()); d[op->a] = result
#define I_ADIW ADD_WORD(op->k)
#define I_SBIW SUB_WORD(op->k)
#define I_MUL PRODUCT((uint32_t)d[op->a], (uint32_t)d[op->b], 0)
#define I_MOVW moved = REGISTER(op->b), d[op->a + 1] = REGISTER(op->b + 1), d[op->a] = (uint8_t)moved
#define I_MOV d[op->a] = d[op->b]
#define I_LDI d[op->a] = op->b
#define I_LDX LOAD(POINTER(X_REG), 1)
#define I_LDXP LOAD_AFTER(X_REG)
#define I_LDXM LOAD_BEFORE(X_REG)
#define I_LDZM LOAD_BEFORE(Z_REG)
#define I_LDS LOAD(op->k, 2)
#define I_STS STORE(op->k, 2)
#define I_SWAP d[op->a] = (uint8_t)(d[op->a] << 4 | d[op->a] >> 4)
#define I_LPMP LPM_BYTE(op->a); d[Z_REG] = (uint8_t)(address + 1), d[Z_REG + 1] = (uint8_t)((address + 1) >> 8)
#define I_LDYP LOAD_AFTER(Y_REG)
#define I_LDZP LOAD_AFTER(Z_REG)
#define I_LDDY LOAD((uint16_t)(POINTER(Y_REG) + op->k), 1)
#define I_LDDZ LOAD((uint16_t)(POINTER(Z_REG) + op->k), 1)
#define I_STX STORE(POINTER(X_REG), 1)
#define I_STXP STORE_AFTER(X_REG)
#define I_STXM STORE_BEFORE(X_REG)
#define I_STYP STORE_AFTER(Y_REG)
#define I_STZP STORE_AFTER(Z_REG)
#define I_STDY STORE((uint16_t)(POINTER(Y_REG) + op->k), 1)
#define I_STDZ STORE((uint16_t)(POINTER(Z_REG) + op->k), 1)
#define I_PUSH STACK_ROOM(1); d[sp] = d[op->a]; sp--
#define I_POP STACK_HAS(1); sp++; d[op->a] = d[sp]
#define I_RJMP GOTO(op->k, 0)
#define I_BRCS if (CARRY_IN()) GOTO(op->k, 1)
#define I_BRCC if (!CARRY_IN()) GOTO(op->k, 1)
#define I_BREQ if (!Z) GOTO(op->k, 1)
#define I_BRNE if (Z) GOTO(op->k, 1)
#define I_BRMI if (N & 0x80) GOTO(op->k, 1)
#define I_BRPL if (!(N & 0x80)) GOTO(op->k, 1)
#define I_BRVS if (OVERFLOW() & 0x80) GOTO(op->k, 1)
#define I_BRVC if (!(OVERFLOW() & 0x80)) GOTO(op->k, 1)
#define I_BRLT if (SIGN() & 0x80) GOTO(op->k, 1)
#define I_BRGE if (!(SIGN() & 0x80)) GOTO(op->k, 1)
#define I_BRHS if (HALF() & SREG_H) GOTO(op->k, 1)
#define I_BRHC if (!(HALF() & SREG_H)) GOTO(op->k, 1)
#define I_BRTS if (TI & SREG_T) GOTO(op->k, 1)
#define I_BRTC if (!(TI & SREG_T)) GOTO(op->k, 1)
#define I_BRIE if (TI & SREG_I) GOTO(op->k, 1)
#define I_BRID if (!(TI & SREG_I)) GOTO(op->k, 1)

/* The low register of the pointer that an instruction moves after its access; 0 where it moves none. */
static uint8_t moves_after(uint8_t single)
{
    if (single == OP_LDXP || single == OP_STXP) return X_REG;
    if (single == OP_LDYP || single == OP_STYP) return Y_REG;
    return single == OP_LDZP || single == OP_STZP ? Z_REG : 0;
}

void avr_cpu(avr_machine *m, struct avr_flash *flash, uint64_t horizon)
{
#if THREADED
    static const void *const singles[] = {
#define H(name, cycles) &&L_##name,
#include "handlers.def"
    };
    static const void *const stepping[] = {
#define H(name, cycles) &&step,
#include "handlers.def"
    };
    const void *const *labels = singles;
#else
    uint8_t handler;
#endif
    uint8_t *const d = m->data;
    const avr_op *const ops = flash->ops;
    const avr_op *op = ops + m->pc;
    uint32_t C, Z, N, P, Q, TI;
    uint16_t sp, address, moved;
    uint8_t result;
    int step;
    const uint16_t stack_limit = m->stack_limit;
    const uint32_t lpm_limit = avr_lpm_limit(m);
    uint64_t started = m->cycles;

    if (horizon - m->cycles > MAX_SLICE) horizon = m->cycles + MAX_SLICE;
    int64_t left = (int64_t)(horizon - m->cycles), bias = 0;
    m->resched = 0;
    LOAD_STATE();
    ENTER(0);

step_from_here:
    left += op->run;
    if (!bias) {
        bias = STEPPING, left -= STEPPING;
#if THREADED
        labels = stepping;
#endif
    }
step:
    if (left + STEPPING <= 0) goto leave;
    left -= op_cycles[op->single];
    if (UNLIKELY(op->handler == OP_COVER)) flash->ops[op - ops].handler = op->single;
    SINGLE();

#if !THREADED
dispatch:
    if (bias) goto step;
    handler = op->handler;
again:
    switch (handler) {
#endif

    CASE(ILLEGAL): FAULT(AVR_FAULT_ILLEGAL, OPCODE(op));
    CASE(OUTSIDE): FAULT(AVR_FAULT_PC, op - ops);

    CASE(COVER): flash->ops[op - ops].handler = op->single; SINGLE();

    CASE(NOP): NEXT(1);
    CASE(BREAK): NEXT(1); /* without an on-chip debugger a NOP */
    CASE(MOVW): I_MOVW; NEXT(1);
    CASE(MOV): I_MOV; NEXT(1);
    CASE(LDI): I_LDI; NEXT(1);

    CASE(MUL): I_MUL; NEXT(1);
    CASE(MULS): PRODUCT((int8_t)d[op->a], (int8_t)d[op->b], 0); NEXT(1);
    CASE(MULSU): PRODUCT((int8_t)d[op->a], (int)d[op->b], 0); NEXT(1);
    CASE(FMUL): PRODUCT((uint32_t)d[op->a], (uint32_t)d[op->b], 1); NEXT(1);
    CASE(FMULS): PRODUCT((int8_t)d[op->a], (int8_t)d[op->b], 1); NEXT(1);
    CASE(FMULSU): PRODUCT((int8_t)d[op->a], (int)d[op->b], 1); NEXT(1);

    CASE(ADD): I_ADD; NEXT(1);
    CASE(ADC): I_ADC; NEXT(1);
    CASE(SUB): I_SUB; NEXT(1);
    CASE(SBC): I_SBC; NEXT(1);
    CASE(SUBI): I_SUBI; NEXT(1);
    CASE(SBCI): I_SBCI; NEXT(1);
    CASE(CP): I_CP; NEXT(1);
    CASE(CPC): I_CPC; NEXT(1);
    CASE(CPI): I_CPI; NEXT(1);
    CASE(AND): I_AND; NEXT(1);
    CASE(OR): I_OR; NEXT(1);
    CASE(EOR): I_EOR; NEXT(1);
    CASE(ANDI): I_ANDI; NEXT(1);
    CASE(ORI): I_ORI; NEXT(1);
    CASE(COM): LOGIC(~d[op->a]); C = 0x100; d[op->a] = result; NEXT(1);
    CASE(NEG): SUB_BYTES(0, d[op->a]); d[op->a] = result; NEXT(1);
    CASE(SWAP): I_SWAP; NEXT(1);
    CASE(INC): I_INC; NEXT(1);
    CASE(DEC): I_DEC; NEXT(1);
    CASE(ASR): I_ASR; NEXT(1);
    CASE(LSR): I_LSR; NEXT(1);
    CASE(ROR): I_ROR; NEXT(1);

    CASE(ADIW): I_ADIW; NEXT(1);
    CASE(SBIW): I_SBIW; NEXT(1);

    CASE(LDS): I_LDS; NEXT(2);
    CASE(LDX): I_LDX; NEXT(1);
    CASE(LDXP): I_LDXP; NEXT(1);
    CASE(LDXM): LOAD_BEFORE(X_REG); NEXT(1);
    CASE(LDYP): I_LDYP; NEXT(1);
    CASE(LDYM): LOAD_BEFORE(Y_REG); NEXT(1);
    CASE(LDZP): I_LDZP; NEXT(1);
    CASE(LDZM): I_LDZM; NEXT(1);
    CASE(LDDY): I_LDDY; NEXT(1);
    CASE(LDDZ): I_LDDZ; NEXT(1);
    CASE(STS): I_STS; NEXT(2);
    CASE(STX): I_STX; NEXT(1);
    CASE(STXP): I_STXP; NEXT(1);
    CASE(STXM): STORE_BEFORE(X_REG); NEXT(1);
    CASE(STYP): I_STYP; NEXT(1);
    CASE(STYM): STORE_BEFORE(Y_REG); NEXT(1);
    CASE(STZP): I_STZP; NEXT(1);
    CASE(STZM): STORE_BEFORE(Z_REG); NEXT(1);
    CASE(STDY): I_STDY; NEXT(1);
    CASE(STDZ): I_STDZ; NEXT(1);

slow_load:
    if (address < 32) {
        /* LD Rd, Z+ from Z's own low byte: it is read before it moves */
        d[op->a] = address == moves_after(op->single) ? (uint8_t)address : d[address];
        NEXT(step);
    }
    if (address > RAMEND) FAULT(AVR_FAULT_DATA, address);
    STORE_STATE();
    SYNC_EVENTS(1);
    result = avr_io_read(m, address);
    if (m->stop & STOP_FAULT) goto leave_before;
    d[op->a] = result;
    left += PAID() - 2; /* the rest of the block is paid for anew */
    NEXT_IO(step);
slow_store:
    if (address < 32) {
        if ((address & 0xFE) != moves_after(op->single)) d[address] = d[op->a]; /* else Z + 1 comes over it */
        NEXT(step);
    }
    if (address > RAMEND) FAULT(AVR_FAULT_DATA, address);
    STORE_STATE();
    SYNC_EVENTS(2);
    avr_io_write(m, address, d[op->a]);
    LOAD_STATE();
    if (m->stop & STOP_FAULT) goto leave_before;
    left += PAID() - 2;
    NEXT_IO(step);

slow_lpm: {
    SYNC(0);
    int byte = avr_lpm(m, flash, address);
    if (byte < 0) goto leave_before;
    d[op->single == OP_LPM0 ? 0 : op->a] = (uint8_t)byte;
    if (op->single == OP_LPMP) d[Z_REG] = (uint8_t)(address + 1), d[Z_REG + 1] = (uint8_t)((address + 1) >> 8);
    left += PAID() - 3;
    NEXT_IO(1);
}

    CASE(IN):
        SYNC(0);
        result = avr_io_read(m, op->k);
        if (m->stop & STOP_FAULT) goto leave_before;
        d[op->a] = result;
        NEXT_IO(1);
    CASE(OUT):
        SYNC_EVENTS(1);
        avr_io_write(m, op->k, d[op->a]);
        if (m->stop & STOP_FAULT) goto leave_before;
        NEXT_IO(1);
    CASE(INSREG): d[op->a] = PACK(); NEXT(1);
    CASE(OUTSREG): {
        uint32_t before = TI;
        UNPACK(d[op->a]);
        if (TI & ~before & SREG_I) m->irq_inhibit = m->resched = 1;
        NEXT_IO(1);
    }
    CASE(INSPL): d[op->a] = (uint8_t)sp; NEXT(1);
    CASE(INSPH): d[op->a] = (uint8_t)(sp >> 8); NEXT(1);
    CASE(OUTSPL): sp = (uint16_t)((sp & 0xFF00) | d[op->a]); NEXT(1);
    CASE(OUTSPH): sp = (uint16_t)((sp & 0x00FF) | d[op->a] << 8); NEXT(1);
    CASE(SBI):
        SYNC_EVENTS(2);
        avr_io_write_bit(m, op->a, op->b, 1);
        if (m->stop & STOP_FAULT) goto leave_before;
        NEXT_IO(1);
    CASE(CBI):
        SYNC_EVENTS(2);
        avr_io_write_bit(m, op->a, op->b, 0);
        if (m->stop & STOP_FAULT) goto leave_before;
        NEXT_IO(1);
    CASE(SBIC):
        SYNC(0);
        result = avr_io_read(m, op->a);
        if (m->stop & STOP_FAULT) goto leave_before;
        SKIP(!(result & op->b));
    CASE(SBIS):
        SYNC(0);
        result = avr_io_read(m, op->a);
        if (m->stop & STOP_FAULT) goto leave_before;
        SKIP(result & op->b);

    CASE(LPM0): LPM_BYTE(0); NEXT(1);
    CASE(LPM): LPM_BYTE(op->a); NEXT(1);
    CASE(LPMP): I_LPMP; NEXT(1);
    CASE(SPM):
        SYNC(0);
        avr_spm(m, flash);
        if (m->stop & STOP_FAULT) goto leave_before;
        NEXT_IO(1);

    CASE(PUSH): I_PUSH; NEXT(1);
    CASE(POP): I_POP; NEXT(1);

    CASE(BSET): UNPACK(PACK() | op->a); NEXT(1);
    CASE(BCLR): UNPACK(PACK() & ~op->a); NEXT(1);
    CASE(SEI):
        if (!(TI & SREG_I)) m->irq_inhibit = m->resched = 1;
        TI |= SREG_I;
        NEXT_IO(1);
    CASE(CLI): TI &= ~(uint32_t)SREG_I; NEXT(1);
    CASE(SLEEP):
        if (d[R_SMCR] & 1) {
            m->sleeping = 1;
            m->sleep_mode = (d[R_SMCR] >> 1) & 7;
            m->resched = 1;
        }
        NEXT_IO(1);
    CASE(WDR):
        SYNC(1);
        avr_wdt_kick(m);
        NEXT_IO(1);

    CASE(JMP): if (UNLIKELY(op->b)) FAULT(AVR_FAULT_PC, OPCODE(op + 1)); GOTO(op->k, 0);
    CASE(CALL): if (UNLIKELY(op->b)) FAULT(AVR_FAULT_PC, OPCODE(op + 1)); PUSH_PC(op - ops + 2); GOTO(op->k, 0);
    CASE(RJMP): I_RJMP;
    CASE(RCALL): PUSH_PC(op - ops + 1); GOTO(op->k, 0);
    CASE(IJMP):
        address = POINTER(Z_REG);
        if (UNLIKELY(address >= FLASH_WORDS)) FAULT(AVR_FAULT_PC, address);
        GOTO(address, 0);
    CASE(ICALL):
        address = POINTER(Z_REG);
        if (UNLIKELY(address >= FLASH_WORDS)) FAULT(AVR_FAULT_PC, address);
        PUSH_PC(op - ops + 1);
        GOTO(address, 0);
    CASE(RET):
        STACK_HAS(2);
        address = (uint16_t)(d[sp + 1] << 8 | d[sp + 2]);
        if (UNLIKELY(address >= FLASH_WORDS)) FAULT(AVR_FAULT_PC, address);
        sp = (uint16_t)(sp + 2);
        GOTO(address, 0);
    CASE(RETI):
        STACK_HAS(2);
        address = (uint16_t)(d[sp + 1] << 8 | d[sp + 2]);
        if (UNLIKELY(address >= FLASH_WORDS)) FAULT(AVR_FAULT_PC, address);
        sp = (uint16_t)(sp + 2);
        TI |= SREG_I;
        m->irq_inhibit = m->resched = 1;
        op = ops + address;
        NEXT_IO(0);

    CASE(BRCS): I_BRCS; NEXT_BLOCK(1, 0);
    CASE(BRCC): I_BRCC; NEXT_BLOCK(1, 0);
    CASE(BREQ): I_BREQ; NEXT_BLOCK(1, 0);
    CASE(BRNE): I_BRNE; NEXT_BLOCK(1, 0);
    CASE(BRMI): I_BRMI; NEXT_BLOCK(1, 0);
    CASE(BRPL): I_BRPL; NEXT_BLOCK(1, 0);
    CASE(BRVS): I_BRVS; NEXT_BLOCK(1, 0);
    CASE(BRVC): I_BRVC; NEXT_BLOCK(1, 0);
    CASE(BRLT): I_BRLT; NEXT_BLOCK(1, 0);
    CASE(BRGE): I_BRGE; NEXT_BLOCK(1, 0);
    CASE(BRHS): I_BRHS; NEXT_BLOCK(1, 0);
    CASE(BRHC): I_BRHC; NEXT_BLOCK(1, 0);
    CASE(BRTS): I_BRTS; NEXT_BLOCK(1, 0);
    CASE(BRTC): I_BRTC; NEXT_BLOCK(1, 0);
    CASE(BRIE): I_BRIE; NEXT_BLOCK(1, 0);
    CASE(BRID): I_BRID; NEXT_BLOCK(1, 0);
    CASE(BLD): d[op->a] = (uint8_t)(TI & SREG_T ? d[op->a] | op->b : d[op->a] & ~op->b); NEXT(1);
    CASE(BST): TI = (TI & SREG_I) | (d[op->a] & op->b ? SREG_T : 0); NEXT(1);
    CASE(CPSE): SKIP(d[op->a] == d[op->b]);
    CASE(SBRC): SKIP(!(d[op->a] & op->b));
    CASE(SBRS): SKIP(d[op->a] & op->b);

    /* Fused. Flags that what follows overwrites are never made. */
#define H(name, cycles)
#define E(name, cycles)
#define F2(a, b) CASE(F_##a##_##b): I_##a; op++; I_##b; NEXT(1);
#define F3(a, b, c) CASE(F_##a##_##b##_##c): I_##a; op++; I_##b; op++; I_##c; NEXT(1);
#define F4(a, b, c, d_) CASE(F_##a##_##b##_##c##_##d_): I_##a; op++; I_##b; op++; I_##c; op++; I_##d_; NEXT(1);
#define F5(a, b, c, d_, e)                                                                                     \
    CASE(F_##a##_##b##_##c##_##d_##_##e): I_##a; op++; I_##b; op++; I_##c; op++; I_##d_; op++; I_##e; NEXT(1);
#define B2(a, b) CASE(F_##a##_##b): I_##a; op++; I_##b; NEXT_BLOCK(1, 0);
#define B3(a, b, c) CASE(F_##a##_##b##_##c): I_##a; op++; I_##b; op++; I_##c; NEXT_BLOCK(1, 0);
#define B4(a, b, c, d_) CASE(F_##a##_##b##_##c##_##d_): I_##a; op++; I_##b; op++; I_##c; op++; I_##d_; NEXT_BLOCK(1, 0);
#define B5(a, b, c, d_, e)                                                                                     \
    CASE(F_##a##_##b##_##c##_##d_##_##e): I_##a; op++; I_##b; op++; I_##c; op++; I_##d_; op++; I_##e; NEXT_BLOCK(1, 0);
#define B6(a, b, c, d_, e, f)                                                                                  \
    CASE(F_##a##_##b##_##c##_##d_##_##e##_##f):                                                                \
    I_##a; op++; I_##b; op++; I_##c; op++; I_##d_; op++; I_##e; op++; I_##f; NEXT_BLOCK(1, 0);
#define W2(a, b) CASE(F_##a##_##b): I_##a; op += 2; I_##b; NEXT(2);
#define J2(a, b) /* below */
#include "handlers.def"
    CASE(F_SBRC_RJMP):
        if (UNLIKELY(left == 0)) SINGLE(); /* the horizon lies between the two */
        if (!(d[op->a] & op->b)) NEXT_BLOCK(2, 1);
        GOTO(op[1].k, 2);
    CASE(F_SBRS_RJMP):
        if (UNLIKELY(left == 0)) SINGLE();
        if (d[op->a] & op->b) NEXT_BLOCK(2, 1);
        GOTO(op[1].k, 2);

#if !THREADED
    default: FAULT(AVR_FAULT_ILLEGAL, OPCODE(op));
    }
#endif

leave_before: /* this instruction did not run */
    left += PAID();
leave:
    m->cycles = horizon - (uint64_t)(left + bias);
    m->pc = (uint16_t)((op - ops) & (FLASH_WORDS - 1));
    if (op - ops >= (ptrdiff_t)FLASH_WORDS && !(m->stop & STOP_FAULT)) avr_fault(m, AVR_FAULT_PC, (uint16_t)(op - ops));
    STORE_STATE();
    m->awake_cycles += m->cycles - started;
}
