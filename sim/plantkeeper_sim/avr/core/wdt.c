/* Watchdog (11.8, 11.9.2): its own oscillator, interrupt and reset modes, timed changes. */
#include "machine.h"

enum { WDIF = 0x80, WDIE = 0x40, WDCE = 0x10, WDE = 0x08 };

static void rearm(avr_machine *m)
{
    uint32_t prescaler = (m->wdt_wdtcsr & 7u) | ((m->wdt_wdtcsr >> 2) & 8u);
    uint64_t due = NEVER;
    if (m->wdt_wdtcsr & (WDE | WDIE)) {
        uint64_t oscillator_cycles = (uint64_t)2048 << (prescaler > 9 ? 9 : prescaler);
        due = m->wdt_base + oscillator_cycles * m->clock_hz / m->wdt_hz;
    }
    if (due != m->due[EV_WDT]) avr_schedule(m, EV_WDT, due);
}

void avr_wdt_kick(avr_machine *m)
{
    m->wdt_base = m->cycles;
    rearm(m);
}

void avr_wdt_write(avr_machine *m, uint8_t value)
{
    m->resched = 1;
    if (value & WDIF) m->wdt_wdtcsr &= (uint8_t)~WDIF;
    if ((value & (WDCE | WDE)) == (WDCE | WDE) && m->cycles > m->wdt_change_until) {
        m->wdt_change_until = m->cycles + 4;
        m->wdt_wdtcsr = (uint8_t)((m->wdt_wdtcsr & ~WDIE) | (value & WDIE) | WDE);
    } else if (m->cycles <= m->wdt_change_until && m->wdt_change_until) {
        uint8_t forced = (m->data[R_MCUSR] & 8) ? WDE : 0; /* 11.9.2: WDRF overrides WDE */
        m->wdt_wdtcsr = (uint8_t)((m->wdt_wdtcsr & WDIF) | (value & 0x6F) | forced);
        m->wdt_change_until = 0;
    } else {
        uint8_t turn_on = value & WDE; /* setting WDE needs no sequence, clearing it does */
        m->wdt_wdtcsr = (uint8_t)((m->wdt_wdtcsr & ~WDIE) | (value & WDIE) | turn_on);
    }
    if (!(m->wdt_wdtcsr & (WDE | WDIE)) || m->due[EV_WDT] == NEVER) m->wdt_base = m->cycles;
    rearm(m);
}

void avr_wdt_event(avr_machine *m)
{
    m->wdt_base = m->due[EV_WDT];
    m->due[EV_WDT] = NEVER;
    /* 11.9.2: with WDE too, an interrupt that was not served until the next time-out becomes a reset */
    if ((m->wdt_wdtcsr & WDIE) && !((m->wdt_wdtcsr & WDE) && (m->wdt_wdtcsr & WDIF))) {
        m->wdt_wdtcsr |= WDIF;
        rearm(m);
        return;
    }
    if (m->stop & STOP_FAULT) return; /* what failed is told first */
    avr_reset(m, 8);
    avr_want_stop(m, AVR_STOP_RESET);
}

void avr_wdt_reset(avr_machine *m)
{
    m->wdt_base = m->cycles;
    m->wdt_change_until = 0;
    m->wdt_wdtcsr = (m->data[R_MCUSR] & 8) ? WDE : 0; /* after a watchdog reset it stays on, 16 ms */
    m->due[EV_WDT] = NEVER;
    rearm(m);
}
