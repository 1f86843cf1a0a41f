/* Handler numbers, in the order of handlers.def. */
#ifndef PLANTKEEPER_AVR_OPS_H
#define PLANTKEEPER_AVR_OPS_H
enum {
#define H(name, cycles) OP_##name,
#include "handlers.def"
    OP_COUNT
};

/* Cycles of an instruction that goes straight on. */
static const uint8_t op_cycles[OP_COUNT] = {
#define H(name, cycles) cycles,
#include "handlers.def"
};
_Static_assert(OP_COUNT <= 256, "avr_op.handler is a byte");
#endif
