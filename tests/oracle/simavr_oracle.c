/* One ATmega328P of libsimavr behind five calls, so that the tests can run it instruction by instruction.
 * Compiled by the fixture in conftest.py; loaded with cffi. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <simavr/sim_avr.h>
#include <simavr/sim_core.h>

#define EXPORT __attribute__((visibility("default")))
#define SRAM_START 0x100u
#define SRAM_SIZE 0x800u
#define FLASH_SIZE 0x8000u

typedef struct {
    uint64_t cycles;
    uint32_t pc; /* bytes */
    uint16_t sp;
    uint8_t sreg, crashed;
    uint8_t registers[32];
    uint8_t gpior[3];
    uint8_t sram[SRAM_SIZE];
} oracle_state;

static void quiet(avr_t *avr, const int level, const char *format, va_list arguments)
{
    (void)avr, (void)level, (void)format, (void)arguments;
}

EXPORT void *oracle_new(void)
{
    avr_global_logger_set(quiet);
    avr_t *avr = avr_make_mcu_by_name("atmega328p");
    if (!avr) return NULL;
    avr_init(avr);
    avr->log = 0;
    return avr;
}

EXPORT void oracle_load(void *handle, const uint8_t *image, uint32_t bytes)
{
    avr_t *avr = handle;
    memset(avr->flash, 0xFF, FLASH_SIZE);
    memcpy(avr->flash, image, bytes < FLASH_SIZE ? bytes : FLASH_SIZE);
    avr->codeend = FLASH_SIZE;
}

EXPORT void oracle_set(void *handle, const oracle_state *state)
{
    avr_t *avr = handle;
    avr->state = cpu_Running;
    avr->pc = state->pc;
    avr->cycle = state->cycles;
    avr->interrupt_state = 0;
    avr->data[R_SPL] = (uint8_t)state->sp;
    avr->data[R_SPH] = (uint8_t)(state->sp >> 8);
    for (int bit = 0; bit < 8; bit++) avr->sreg[bit] = (state->sreg >> bit) & 1;
    avr->data[R_SREG] = state->sreg;
    memcpy(avr->data, state->registers, sizeof state->registers);
    avr->data[0x3E] = state->gpior[0], avr->data[0x4A] = state->gpior[1], avr->data[0x4B] = state->gpior[2];
    memcpy(avr->data + SRAM_START, state->sram, SRAM_SIZE);
}

EXPORT void oracle_get(void *handle, oracle_state *state)
{
    const avr_t *avr = handle;
    state->cycles = avr->cycle;
    state->pc = avr->pc;
    state->sp = (uint16_t)(avr->data[R_SPL] | avr->data[R_SPH] << 8);
    state->sreg = 0;
    for (int bit = 0; bit < 8; bit++) state->sreg = (uint8_t)(state->sreg | (avr->sreg[bit] & 1) << bit);
    state->crashed = avr->state == cpu_Crashed;
    memcpy(state->registers, avr->data, sizeof state->registers);
    state->gpior[0] = avr->data[0x3E], state->gpior[1] = avr->data[0x4A], state->gpior[2] = avr->data[0x4B];
    memcpy(state->sram, avr->data + SRAM_START, SRAM_SIZE);
}

/* One instruction, whatever its cycles. */
EXPORT void oracle_step(void *handle)
{
    avr_t *avr = handle;
    avr->run_cycle_count = 1; /* else avr_run_one goes on until its next timer */
    avr->pc = avr_run_one(avr);
}

EXPORT void oracle_flash(void *handle, uint8_t *image)
{
    const avr_t *avr = handle;
    memcpy(image, avr->flash, FLASH_SIZE);
}

EXPORT uint32_t oracle_state_size(void) { return (uint32_t)sizeof(oracle_state); }
