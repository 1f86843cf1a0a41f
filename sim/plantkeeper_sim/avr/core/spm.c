/* Self-programming: boot section, page buffer, page erase and write, lock bits, fuses and signature (chapters 27, 28).
 * A page changes when its erase or write begins; until the time is over nobody can look (RWWSB, or the CPU stands). */
#include "machine.h"

enum { SPMIE = 0x80, SIGRD = 0x20, RWWSRE = 0x10, BLBSET = 0x08, PGWRT = 0x04, PGERS = 0x02, SPMEN = 0x01 };
enum { COMMAND = 0x3F, BLB12 = 0x20, BLB11 = 0x10, BLB02 = 0x08, BLB01 = 0x04, BOOTRST = 0x01, EEPE = 0x02 };

#define FLASH_BYTES (2 * FLASH_WORDS)
#define PAGE_BYTES AVR_FLASH_PAGE_SIZE
#define SPM_WINDOW 4 /* cycles after SPMCSR's write in which SPM is taken (27.9.1) */
#define LPM_WINDOW 3 /* and LPM */

static const uint8_t signature[3] = {0x1E, 0x95, 0x0F}; /* 28.3 */

/* Table 27-13: 256 words with both BOOTSZ bits unprogrammed, twice as many with each step down. */
uint16_t avr_boot_start(const avr_machine *m)
{
    return (uint16_t)(FLASH_WORDS - (2048u >> ((m->fuse_high >> 1) & 3)));
}

uint16_t avr_reset_vector(const avr_machine *m) { return (m->fuse_high & BOOTRST) ? 0 : avr_boot_start(m); }

/* Table 27-3: the application's vectors are dead while a boot section runs that may not be read from there. */
int avr_boot_blocks_interrupts(const avr_machine *m)
{
    return !(m->lock_bits & BLB12) && m->pc >= avr_boot_start(m);
}

/* LPM below this byte address is always an ordinary read; the others ask avr_lpm. */
uint32_t avr_lpm_limit(const avr_machine *m)
{
    if ((m->spm_spmcsr & (RWWSB | COMMAND)) || !(m->lock_bits & BLB02)) return 0;
    return (m->lock_bits & BLB12) ? FLASH_BYTES : 2u * avr_boot_start(m);
}

static void forget_page(avr_machine *m)
{
    memset(m->spm_buffer, 0xFF, sizeof m->spm_buffer);
    m->spm_loaded = 0;
}

/* 27.8.2: an EEPROM write in the middle of a page load loses what was loaded. */
void avr_spm_eeprom_written(avr_machine *m) { forget_page(m); }

static void end_command(avr_machine *m)
{
    m->spm_spmcsr &= SPMIE | RWWSB;
    avr_schedule(m, EV_SPM, NEVER);
}

/* 27.9.1: five combinations mean something, and SIGRD; nothing else has an effect. */
void avr_spm_write_control(avr_machine *m, uint8_t value)
{
    uint8_t command = value & COMMAND;
    m->spm_spmcsr = (uint8_t)((m->spm_spmcsr & ~SPMIE) | (value & SPMIE));
    m->resched = 1;
    if (m->spm_busy || (m->eeprom_eecr & EEPE)) return; /* 27.8.8: an EEPROM write blocks it */
    if (command != SPMEN && command != (SPMEN | PGERS) && command != (SPMEN | PGWRT) && command != (SPMEN | BLBSET) &&
        command != (SPMEN | RWWSRE) && command != (SPMEN | SIGRD))
        return;
    m->spm_spmcsr = (uint8_t)((m->spm_spmcsr & (SPMIE | RWWSB)) | command);
    m->spm_armed_at = m->cycles;
    avr_schedule(m, EV_SPM, m->cycles + SPM_WINDOW);
}

/* The window is over, or the flash has done its work. */
void avr_spm_event(avr_machine *m)
{
    m->due[EV_SPM] = NEVER;
    m->spm_busy = 0;
    m->spm_spmcsr &= SPMIE | RWWSB;
    m->resched = 1;
}

/* 27.8.12: 3.7 to 4.5 ms; the longest is what a program must be ready for. */
static void be_busy(avr_machine *m)
{
    uint64_t done = m->cycles + 1 + (uint64_t)m->clock_hz * 45 / 10000;
    m->spm_busy = 1;
    avr_schedule(m, EV_SPM, done);
}

static void load_word(avr_machine *m, uint16_t z)
{
    uint8_t at = z & (PAGE_BYTES - 2);
    uint64_t word = (uint64_t)1 << (at / 2);
    if (m->spm_loaded & word) { /* 27.8.2: not more than once without erasing; what it does is not said */
        avr_fault(m, AVR_FAULT_SPM, z);
        return;
    }
    m->spm_loaded |= word;
    m->spm_buffer[at] = m->data[0], m->spm_buffer[at + 1] = m->data[1];
    m->spm_spmcsr &= (uint8_t)~RWWSB; /* 27.9.1: a page load opens the section again */
    end_command(m);
}

static void change_page(avr_machine *m, struct avr_flash *flash, uint16_t z, int erase)
{
    uint32_t page = z & (FLASH_BYTES - PAGE_BYTES);
    uint8_t forbids = page / 2 >= avr_boot_start(m) ? BLB11 : BLB01; /* tables 27-2 and 27-3, modes 2 and 3 */
    if (!(m->lock_bits & forbids)) {
        end_command(m);
        return;
    }
    uint8_t contents[PAGE_BYTES];
    for (uint32_t i = 0; i < PAGE_BYTES; i++) /* writing clears bits, only erasing sets them */
        contents[i] = erase ? 0xFF : flash->image[page + i] & m->spm_buffer[i];
    avr_flash_change(flash, page, contents);
    if (!erase) forget_page(m);
    be_busy(m);
    if (page / 2 < NRWW_START)
        m->spm_spmcsr |= RWWSB;
    else
        m->halted_until = m->due[EV_SPM]; /* 27.4.2 */
}

/* SPM. It does nothing in the application section (27.3.1), nor outside its window. */
void avr_spm(avr_machine *m, struct avr_flash *flash)
{
    uint8_t command = m->spm_spmcsr & COMMAND;
    uint16_t z = (uint16_t)(m->data[30] | m->data[31] << 8);
    if (m->spm_busy || !command || m->pc < avr_boot_start(m)) return;
    switch (command & ~SPMEN) {
    case 0: load_word(m, z); break;
    case PGERS: change_page(m, flash, z, 1); break;
    case PGWRT: change_page(m, flash, z, 0); break;
    case BLBSET:
        m->lock_bits &= m->data[0] | 0xC0; /* 27.8.7: zeros program */
        be_busy(m);
        break;
    case RWWSRE:
        forget_page(m);
        m->spm_spmcsr &= (uint8_t)~RWWSB;
        end_command(m);
        break;
    default: end_command(m); /* 27.9.1, SIGRD: an SPM has no effect */
    }
}

/* 27.8.9: LPM within three cycles of BLBSET; Z chooses. */
static int read_fuse(avr_machine *m, uint16_t z)
{
    const uint8_t values[4] = {m->fuse_low, m->lock_bits, m->fuse_extended, m->fuse_high};
    if (z < 4) return values[z];
    avr_fault(m, AVR_FAULT_SPM, z);
    return -1;
}

/* 27.8.10, table 27-5: the signature's bytes are at even addresses; OSCCAL's calibration is the erased 0xFF here. */
static int read_signature(avr_machine *m, uint16_t z)
{
    if (z == 1) return 0xFF;
    if (z < 6 && !(z & 1)) return signature[z / 2];
    avr_fault(m, AVR_FAULT_SPM, z);
    return -1;
}

/* LPM where it is not an ordinary read: the byte, or -1 with a fault. */
int avr_lpm(avr_machine *m, const struct avr_flash *flash, uint16_t z)
{
    uint8_t command = m->spm_spmcsr & COMMAND;
    if (!m->spm_busy && (command & (BLBSET | SIGRD)) && m->cycles < m->spm_armed_at + LPM_WINDOW) {
        end_command(m);
        return (command & BLBSET) ? read_fuse(m, z) : read_signature(m, z);
    }
    int from_boot = m->pc >= avr_boot_start(m), of_boot = z / 2 >= avr_boot_start(m);
    if (z >= FLASH_BYTES)
        avr_fault(m, AVR_FAULT_FLASH, z);
    else if ((m->spm_spmcsr & RWWSB) && z / 2 < NRWW_START)
        avr_fault(m, AVR_FAULT_RWW, z);
    else if (from_boot != of_boot && !(m->lock_bits & (of_boot ? BLB12 : BLB02))) /* modes 3 and 4 */
        avr_fault(m, AVR_FAULT_LOCK, z);
    else
        return flash->image[z];
    return -1;
}

void avr_spm_reset(avr_machine *m)
{
    m->spm_spmcsr = m->spm_busy = 0;
    m->halted_until = 0;
    forget_page(m);
}
