/* Ports B, C, D (chapter 14), external and pin-change interrupts (chapter 13). Port number: 0 B, 1 C, 2 D. */
#include "machine.h"

#define SYNCHRONISER_CYCLES 1 /* figure 14-4: OUT PORTx; IN PINx reads the old level, with a NOP between the new one */

static const uint8_t pins_of[3] = {0xFF, 0x7F, 0xFF};

static void external_interrupts(avr_machine *m, uint8_t changed, uint8_t level)
{
    for (int n = 0; n < 2; n++) {
        uint8_t before = m->eifr;
        uint8_t bit = (uint8_t)(4u << n); /* INT0 on PD2, INT1 on PD3 */
        if (!(changed & bit)) continue;
        int mode = (m->data[R_EICRA] >> (2 * n)) & 3, rising = (level & bit) != 0;
        if (mode == 1 || (mode == 2 && !rising) || (mode == 3 && rising)) m->eifr |= (uint8_t)(1u << n);
        if (n == 0 && (m->eifr & ~before & 1) && (m->data[R_ADCSRB] & 7) == 2) avr_adc_trigger(m, m->cycles);
        m->resched = 1;
    }
    if (changed & 0x10) avr_timer_external_edge(m, 0, (level & 0x10) != 0); /* T0 on PD4 */
    if (changed & 0x20) avr_timer_external_edge(m, 1, (level & 0x20) != 0); /* T1 on PD5 */
}

/* What needs clkI/O: edges of INT0, INT1, T0, T1 and ICP1. */
static void clocked_edges(avr_machine *m, int port)
{
    uint8_t level = m->pin_level[port], changed = (uint8_t)(level ^ m->pin_clocked[port]);
    if (!changed) return;
    m->pin_clocked[port] = level;
    if (port == 2) external_interrupts(m, changed, level);
    if (port == 0 && (changed & 1)) avr_timer_capture_edge(m, level & 1); /* ICP1 on PB0 */
}

/* An edge in deep sleep is seen on waking, and only if the level is still another (13.2.1). */
void avr_gpio_clock_resumed(avr_machine *m)
{
    for (int port = 0; port < 3; port++) clocked_edges(m, port);
}

void avr_gpio_update(avr_machine *m, int port, int by_program)
{
    uint8_t out = (uint8_t)((m->pin_out[port] & ~m->oc_override[port]) |
                            (m->oc_override_level[port] & m->oc_override[port]));
    uint8_t pull_up = (m->data[R_MCUCR] & 0x10) ? 0 : m->pin_out[port]; /* MCUCR.PUD */
    uint8_t ddr = m->pin_ddr[port], driven = m->pin_driven[port];
    uint8_t level = (uint8_t)(((ddr & out) | (~ddr & ((driven & m->pin_drive_level[port]) | (~driven & pull_up)))) &
                              pins_of[port]);
    uint8_t changed = (uint8_t)(level ^ m->pin_level[port]);
    if (!changed) return;
    m->pin_level_before[port] = m->pin_level[port];
    m->pin_changed_at[port] = m->cycles;
    m->pin_level[port] = level;
    if (changed & m->data[R_PCMSK0 + port]) {
        m->pcifr |= (uint8_t)(1u << port);
        m->resched = 1;
    }
    if (!io_clock_stopped(m)) clocked_edges(m, port);
    if (by_program && (changed & m->pin_watch[port])) {
        m->pin_changed[port] |= changed & m->pin_watch[port];
        avr_want_stop(m, AVR_STOP_PIN);
    }
}

uint8_t avr_gpio_read_pin(const avr_machine *m, int port)
{
    int settled = m->cycles - m->pin_changed_at[port] >= SYNCHRONISER_CYCLES;
    uint8_t level = settled ? m->pin_level[port] : m->pin_level_before[port];
    if (port == 1) return level & (uint8_t)~m->data[R_DIDR0];                /* 24.9.5: disabled inputs read zero */
    if (port == 2) return level & (uint8_t)~(m->data[R_DIDR1] << 6 & 0xFF); /* 23.3.3: AIN0, AIN1 on PD6, PD7 */
    return level;
}

void avr_gpio_write(avr_machine *m, uint16_t address, uint8_t value)
{
    int port = (address - R_PINB) / 3;
    switch ((address - R_PINB) % 3) {
    case 0: m->pin_out[port] ^= value; break; /* 14.2.2: writing PINx toggles */
    case 1: m->pin_ddr[port] = value; break;
    default: m->pin_out[port] = value; break;
    }
    m->pin_out[port] &= pins_of[port], m->pin_ddr[port] &= pins_of[port];
    avr_gpio_update(m, port, 1);
}

void avr_gpio_oc(avr_machine *m, int port, int bit, int enabled, int level)
{
    uint8_t mask = (uint8_t)(1u << bit);
    m->oc_override[port] = (uint8_t)(enabled ? m->oc_override[port] | mask : m->oc_override[port] & ~mask);
    m->oc_override_level[port] = (uint8_t)(level ? m->oc_override_level[port] | mask : m->oc_override_level[port] & ~mask);
    avr_gpio_update(m, port, 1);
}

void avr_gpio_reset(avr_machine *m)
{
    m->eifr = m->pcifr = 0;
    for (int port = 0; port < 3; port++) {
        m->pin_out[port] = m->pin_ddr[port] = m->oc_override[port] = m->oc_override_level[port] = 0;
        avr_gpio_update(m, port, 1);
    }
}

AVR_EXPORT void avr_drive(avr_machine *m, int port, int bit, int state)
{
    uint8_t mask = (uint8_t)(1u << bit);
    m->pin_driven[port] = (uint8_t)(state == 2 ? m->pin_driven[port] & ~mask : m->pin_driven[port] | mask);
    m->pin_drive_level[port] = (uint8_t)(state == 1 ? m->pin_drive_level[port] | mask : m->pin_drive_level[port] & ~mask);
    avr_gpio_update(m, port, 0);
}
