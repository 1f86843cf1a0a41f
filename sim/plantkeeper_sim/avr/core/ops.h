/* Handler numbers, in the order of handlers.def. */
#ifndef PLANTKEEPER_AVR_OPS_H
#define PLANTKEEPER_AVR_OPS_H
enum {
#define H(name) OP_##name,
#include "handlers.def"
#undef H
    OP_COUNT
};
#endif
