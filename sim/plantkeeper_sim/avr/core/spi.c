/* SPI master (chapter 19). The byte is exchanged with the part when SPDR is written; SPIF comes when the
 * eight clocks are over. */
#include "machine.h"

enum { SPE = 0x40, DORD = 0x20, MSTR = 0x10 };

static uint8_t in_bit_order(const avr_machine *m, uint8_t byte)
{
    if (!(m->data[R_SPCR] & DORD)) return byte;
    uint8_t reversed = 0;
    for (int bit = 0; bit < 8; bit++) reversed |= (uint8_t)(((byte >> bit) & 1) << (7 - bit));
    return reversed;
}

static uint32_t bit_cycles(const avr_machine *m)
{
    static const uint8_t divisor[4] = {4, 16, 64, 128}; /* table 19-5 */
    return divisor[m->data[R_SPCR] & 3] / ((m->spi_spsr & 1) ? 2u : 1u);
}

uint8_t avr_spi_read(avr_machine *m, uint16_t address)
{
    if (address == R_SPCR) return m->data[R_SPCR];
    if (address == R_SPSR) {
        m->spi_flag_seen = m->spi_spsr & 0xC0;
        return m->spi_spsr;
    }
    m->spi_spsr &= (uint8_t)~m->spi_flag_seen; /* 19.5.2: read SPSR, then access SPDR */
    m->spi_flag_seen = 0;
    return m->spi_in;
}

void avr_spi_write(avr_machine *m, uint16_t address, uint8_t value)
{
    if (m->data[R_PRR] & 0x04) return; /* PRSPI */
    if (address == R_SPCR) {
        m->data[R_SPCR] = value;
        m->resched = 1;
        if (!(value & SPE) && m->spi_busy) { /* switched off in mid-byte: SPIF does not come */
            m->spi_busy = 0;
            avr_schedule(m, EV_SPI, NEVER);
        }
        return;
    }
    if (address == R_SPSR) {
        m->spi_spsr = (uint8_t)((m->spi_spsr & 0xC0) | (value & 1));
        return;
    }
    m->spi_spsr &= (uint8_t)~m->spi_flag_seen;
    m->spi_flag_seen = 0;
    if (!(m->data[R_SPCR] & SPE)) return;
    if (!(m->data[R_SPCR] & MSTR) || (!(m->pin_ddr[0] & 4) && !(m->pin_level[0] & 4))) {
        avr_fault(m, AVR_FAULT_REGISTER, R_SPCR); /* slave mode, or /SS pulled low as an input (19.3.2) */
        return;
    }
    if (m->spi_busy) {
        m->spi_spsr |= 0x40; /* WCOL */
        return;
    }
    m->spi_busy = 1;
    m->spi_out = in_bit_order(m, value);
    m->spi_reply = 0xFF;
    avr_schedule(m, EV_SPI, m->cycles + 8 * bit_cycles(m));
    avr_want_stop(m, AVR_STOP_SPI);
}

AVR_EXPORT void avr_spi_reply(avr_machine *m, uint8_t miso) { m->spi_reply = in_bit_order(m, miso); }

void avr_spi_event(avr_machine *m)
{
    m->due[EV_SPI] = NEVER;
    m->spi_busy = 0;
    m->spi_in = m->spi_reply;
    m->spi_spsr |= 0x80;
    m->spi_flag_seen = 0;
}

void avr_spi_reset(avr_machine *m) { m->spi_busy = m->spi_spsr = m->spi_in = m->spi_flag_seen = 0; }
