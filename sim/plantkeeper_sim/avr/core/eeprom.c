/* EEPROM (8.4, 8.6.3): timed write enable, write time, CPU halted during access. */
#include "machine.h"

enum { EERE = 1, EEPE = 2, EEMPE = 4, EERIE = 8, EEPM = 0x30 };

static uint16_t address_of(const avr_machine *m)
{
    return (uint16_t)((m->data[R_EEARL] | m->data[R_EEARH] << 8) & (AVR_EEPROM_SIZE - 1));
}

uint8_t avr_eeprom_read_control(avr_machine *m)
{
    if (m->cycles > m->eeprom_master_until) m->eeprom_eecr &= (uint8_t)~EEMPE;
    return m->eeprom_eecr;
}

static void program(avr_machine *m)
{
    if (m->spm_busy) return; /* 8.6.3: not while the flash is written */
    avr_spm_eeprom_written(m);
    uint16_t at = address_of(m);
    uint8_t mode = (m->eeprom_eecr & EEPM) >> 4, value = m->data[R_EEDR];
    if (mode == 0) m->eeprom[at] = value;   /* erase and write, 3.4 ms */
    if (mode == 1) m->eeprom[at] = 0xFF;    /* erase only, 1.8 ms */
    if (mode == 2) m->eeprom[at] &= value;  /* write only, 1.8 ms */
    uint64_t tenths_of_ms = mode == 0 ? 34 : 18;
    m->eeprom_eecr = (uint8_t)((m->eeprom_eecr | EEPE) & ~EEMPE);
    m->stall += 2;
    avr_schedule(m, EV_EEPROM, m->cycles + tenths_of_ms * m->clock_hz / 10000);
}

void avr_eeprom_write_control(avr_machine *m, uint8_t value)
{
    uint8_t busy = m->eeprom_eecr & EEPE, enabled = avr_eeprom_read_control(m) & EEMPE;
    m->resched = 1;
    uint8_t kept = (uint8_t)(busy ? m->eeprom_eecr & EEPM : value & EEPM); /* EEPM is locked while writing */
    m->eeprom_eecr = (uint8_t)(kept | (value & EERIE) | busy | enabled);
    if (kept == EEPM) {
        avr_fault(m, AVR_FAULT_REGISTER, R_EECR); /* reserved mode */
        return;
    }
    if ((value & EEPE) && enabled && !busy) {
        program(m);
        return;
    }
    if ((value & EEMPE) && !(value & EEPE)) {
        m->eeprom_eecr |= EEMPE;
        m->eeprom_master_until = m->cycles + 4;
    }
    if ((value & EERE) && !busy) {
        m->data[R_EEDR] = m->eeprom[address_of(m)];
        m->stall += 4;
    }
}

void avr_eeprom_event(avr_machine *m)
{
    m->due[EV_EEPROM] = NEVER;
    m->eeprom_eecr &= (uint8_t)~EEPE;
}

void avr_eeprom_reset(avr_machine *m)
{
    m->eeprom_eecr = 0;
    m->eeprom_master_until = 0;
}
