/* Runs one ELF on libsimavr's ATmega328P until it sleeps with interrupts off, and prints what came of it:
 * cycles, CPU seconds spent running, and 32 bits at a data address. Usage: simavr_runner ELF ADDRESS */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

static void quiet(avr_t *avr, const int level, const char *format, va_list arguments)
{
    (void)avr, (void)level, (void)format, (void)arguments;
}

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int count, char **arguments)
{
    if (count != 3) return 2;
    elf_firmware_t firmware;
    memset(&firmware, 0, sizeof firmware);
    if (elf_read_firmware(arguments[1], &firmware) != 0) return 3;
    avr_global_logger_set(quiet);
    avr_t *avr = avr_make_mcu_by_name("atmega328p");
    if (!avr || avr_init(avr) != 0) return 4;
    avr->log = 0;
    avr_load_firmware(avr, &firmware);
    avr->frequency = 16000000;

    double started_s = cpu_s();
    int state = cpu_Running;
    while (state != cpu_Done && state != cpu_Crashed) state = avr_run(avr);
    double seconds = cpu_s() - started_s;

    const uint8_t *sum = avr->data + strtoul(arguments[2], NULL, 0);
    printf("ran %" PRIu64 " %.9f %02x%02x%02x%02x\n", (uint64_t)avr->cycle, seconds, sum[3], sum[2], sum[1], sum[0]);
    return state == cpu_Done ? 0 : 5;
}
