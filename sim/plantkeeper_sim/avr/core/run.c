/* The run loop: events, interrupts, sleep and reset around the CPU. */
#include "machine.h"

#define WAKE_UP_CYCLES 4          /* 10.3: halted for four cycles in addition to the start-up time */
#define INTERRUPT_CYCLES 4        /* 7.7.1 */
#define CRYSTAL_START_UP 16384    /* table 9-4, fuses of the Uno: 16K CK from power-down */
#define STANDBY_START_UP 6        /* 10.7 */

static void find_next_due(avr_machine *m)
{
    uint64_t next = NEVER;
    for (int e = 0; e < AVR_EVENT_COUNT; e++)
        if (m->due[e] < next) next = m->due[e];
    m->next_due = next;
}

void avr_schedule(avr_machine *m, int event, uint64_t due)
{
    m->due[event] = due;
    find_next_due(m);
    m->resched = 1;
}

void avr_want_stop(avr_machine *m, uint8_t code)
{
    m->stop |= (uint16_t)(1u << code);
    m->resched = 1;
}

void avr_fault(avr_machine *m, uint8_t code, uint16_t address)
{
    if (m->stop & STOP_FAULT) return; /* the first one tells */
    m->fault_code = code;
    m->fault_address = address;
    m->fault_pc = m->pc;
    avr_want_stop(m, AVR_STOP_FAULT);
}

/* Bit v is set where interrupt vector v asks and is enabled by its own mask (12.4). */
uint64_t avr_irq_pending(const avr_machine *m)
{
    const uint8_t *d = m->data;
    uint32_t p = 0;
    if (d[R_EIMSK]) {
        for (int n = 0; n < 2; n++) {
            int level_mode = ((d[R_EICRA] >> (2 * n)) & 3) == 0;
            int asks = level_mode ? !(m->pin_level[2] & (4u << n)) : (m->eifr >> n) & 1;
            if (asks && (d[R_EIMSK] >> n & 1)) p |= 1u << (VECT_INT0 + n);
        }
    }
    p |= (uint32_t)(m->pcifr & d[R_PCICR] & 7) << VECT_PCINT0;
    if ((m->wdt_wdtcsr & 0xC0) == 0xC0) p |= 1u << VECT_WDT;
    uint8_t t2 = m->timer[2].tifr & m->timer[2].timsk, t1 = m->timer[1].tifr & m->timer[1].timsk;
    uint8_t t0 = m->timer[0].tifr & m->timer[0].timsk;
    if (t2) p |= (uint32_t)(t2 >> 1 & 3) << VECT_T2_COMPA | (uint32_t)(t2 & 1) << VECT_T2_OVF;
    if (t1)
        p |= (uint32_t)(t1 >> 5 & 1) << VECT_T1_CAPT | (uint32_t)(t1 >> 1 & 3) << VECT_T1_COMPA |
             (uint32_t)(t1 & 1) << VECT_T1_OVF;
    if (t0) p |= (uint32_t)(t0 >> 1 & 3) << VECT_T0_COMPA | (uint32_t)(t0 & 1) << VECT_T0_OVF;
    if (m->spi_spsr & d[R_SPCR] & 0x80) p |= 1u << VECT_SPI;
    uint8_t usart = m->usart_ucsrb & 0xE0;
    if (usart) {
        if ((usart & 0x80) && m->usart_rx_count) p |= 1u << VECT_USART_RX;
        if ((usart & 0x20) && !m->usart_tx_full) p |= 1u << VECT_USART_UDRE;
        if ((usart & 0x40) && (m->usart_ucsra & 0x40)) p |= 1u << VECT_USART_TX;
    }
    if ((m->adc_adcsra & 0x18) == 0x18) p |= 1u << VECT_ADC;
    if ((m->eeprom_eecr & 0x0A) == 0x08) p |= 1u << VECT_EE_READY;
    if ((m->twi_twcr & 0x81) == 0x81) p |= 1u << VECT_TWI;
    if ((m->spm_spmcsr & 0x81) == 0x80) p |= 1u << VECT_SPM_READY;
    return p;
}

/* What can end each sleep mode (table 10-1; Timer 2 asynchronous and TWI slave are not modelled). */
static uint32_t wake_sources(const avr_machine *m)
{
    uint32_t deep = 1u << VECT_PCINT0 | 1u << VECT_PCINT1 | 1u << VECT_PCINT2 | 1u << VECT_WDT;
    for (int n = 0; n < 2; n++) /* note 3: only the level interrupt of INT0 and INT1 */
        if (((m->data[R_EICRA] >> (2 * n)) & 3) == 0) deep |= 1u << (VECT_INT0 + n);
    if (m->sleep_mode == SLEEP_IDLE) return UINT32_MAX;
    if (m->sleep_mode == SLEEP_ADC) return deep | 1u << VECT_ADC | 1u << VECT_EE_READY | 1u << VECT_SPM_READY;
    return deep;
}

static int runs_asleep(const avr_machine *m, int event)
{
    if (m->sleep_mode == SLEEP_IDLE || event == EV_WDT || event == EV_EEPROM || event == EV_SPM) return 1;
    if (event == EV_USART_RX) return 1; /* whoever sends does not wait for the chip */
    return m->sleep_mode == SLEEP_ADC && (event == EV_ADC_SAMPLE || event == EV_ADC_DONE);
}

static uint64_t next_due_asleep(const avr_machine *m)
{
    uint64_t next = NEVER;
    for (int e = 0; e < AVR_EVENT_COUNT; e++)
        if (m->due[e] < next && runs_asleep(m, e)) next = m->due[e];
    return next;
}

static void fall_asleep(avr_machine *m)
{
    if (m->sleep_mode == 4 || m->sleep_mode == 5) {
        avr_fault(m, AVR_FAULT_REGISTER, R_SMCR);
        return;
    }
    m->sleeping = 2;
    m->slept_at = m->cycles;
    if (m->sleep_mode == SLEEP_ADC) avr_adc_sleep_start(m);
}

/* clkI/O stood still in every mode but idle: what hangs on it is due later by the time slept. */
static void wake(avr_machine *m)
{
    if (m->sleep_mode != SLEEP_IDLE) {
        uint64_t slept = m->cycles - m->slept_at;
        for (int e = 0; e < AVR_EVENT_COUNT; e++)
            if (m->due[e] != NEVER && !runs_asleep(m, e)) m->due[e] += slept;
        m->io_stopped += slept;
        if (m->sleep_mode != SLEEP_ADC) avr_adc_clock_stopped(m, slept);
        if (m->sleep_mode == SLEEP_POWER_DOWN) m->powered_down_cycles += slept;
        find_next_due(m);
    }
    m->sleeping = 0;
    avr_gpio_clock_resumed(m);
    m->cycles += WAKE_UP_CYCLES;
    if (m->sleep_mode == SLEEP_POWER_DOWN || m->sleep_mode == SLEEP_POWER_SAVE) m->cycles += CRYSTAL_START_UP;
    if (m->sleep_mode == SLEEP_STANDBY || m->sleep_mode == SLEEP_EXT_STANDBY) m->cycles += STANDBY_START_UP;
    if (m->sleep_mode != SLEEP_IDLE) m->io_resumed_at = m->cycles;
}

static void clear_flag_of(avr_machine *m, int vector)
{
    switch (vector) {
    case VECT_INT0: case VECT_INT1: m->eifr &= (uint8_t)~(1u << (vector - VECT_INT0)); break;
    case VECT_PCINT0: case VECT_PCINT1: case VECT_PCINT2: m->pcifr &= (uint8_t)~(1u << (vector - VECT_PCINT0)); break;
    case VECT_WDT:
        m->wdt_wdtcsr &= 0x7F;
        if (m->wdt_wdtcsr & 0x08) m->wdt_wdtcsr &= 0xBF; /* 11.9.2: the next time-out resets */
        break;
    case VECT_SPI: m->spi_spsr &= 0x7F; break;
    case VECT_USART_TX: m->usart_ucsra &= 0xBF; break;
    case VECT_ADC: m->adc_adcsra &= 0xEF; break;
    default: avr_timer_irq_taken(m, vector); break;
    }
}

static void enter_interrupt(avr_machine *m, int vector)
{
    uint16_t sp = (uint16_t)(m->data[R_SPL] | m->data[R_SPH] << 8);
    if ((uint16_t)(sp - SRAM_START) >= SRAM_SIZE || (uint16_t)(sp - 1) < SRAM_START) {
        avr_fault(m, AVR_FAULT_DATA, sp);
        return;
    }
    if ((uint16_t)(sp - 1) < m->stack_limit) {
        avr_fault(m, AVR_FAULT_STACK, (uint16_t)(sp - 1));
        return;
    }
    m->data[sp] = (uint8_t)m->pc;
    m->data[sp - 1] = (uint8_t)(m->pc >> 8);
    sp = (uint16_t)(sp - 2);
    m->data[R_SPL] = (uint8_t)sp, m->data[R_SPH] = (uint8_t)(sp >> 8);
    if (sp < m->stack_low) m->stack_low = sp;
    clear_flag_of(m, vector);
    m->sreg &= (uint8_t)~SREG_I;
    m->pc = (uint16_t)(2 * vector);
    m->cycles += INTERRUPT_CYCLES;
    m->awake_cycles += INTERRUPT_CYCLES;
}

static void fire_events(avr_machine *m, int events)
{
    static void (*const handlers[])(avr_machine *) = {
        NULL, NULL, NULL, avr_usart_tx_event, avr_usart_rx_event, avr_spi_event, avr_twi_event,
        avr_adc_sample_event, avr_adc_done_event, avr_wdt_event, avr_eeprom_event, avr_spm_event};
    for (int e = 0; e < AVR_EVENT_COUNT; e++) {
        if (!(events >> e & 1) || m->due[e] > m->cycles || (m->sleeping && !runs_asleep(m, e))) continue;
        if (e <= EV_TIMER2)
            avr_timer_event(m, e - EV_TIMER0);
        else
            handlers[e](m);
    }
    find_next_due(m);
}

/* What came due within an instruction, before its access to a register: all but the watchdog, whose reset
 * waits for the instruction's end. */
void avr_io_events(avr_machine *m) { fire_events(m, ~(1 << EV_WDT)); }

/* Interrupts are off and no watchdog resets: the machine sleeps for ever, whatever its timers do. */
static int sleeps_for_ever(const avr_machine *m)
{
    return !(m->sreg & SREG_I) && (m->due[EV_WDT] == NEVER || !(m->wdt_wdtcsr & 8));
}

static int take_stop(avr_machine *m)
{
    static const uint8_t order[] = {AVR_STOP_FAULT, AVR_STOP_RESET, AVR_STOP_PIN, AVR_STOP_SPI,
                                    AVR_STOP_TWI,   AVR_STOP_ADC,   AVR_STOP_UART};
    for (size_t i = 0; i < sizeof order; i++) {
        uint16_t bit = (uint16_t)(1u << order[i]);
        if (m->stop & bit) {
            if (order[i] != AVR_STOP_FAULT) m->stop &= (uint16_t)~bit; /* a fault stays */
            return order[i];
        }
    }
    return -1;
}

/* The CPU is halted while a page of its own section is written; the rest of the chip goes on. */
static void stand_still(avr_machine *m, uint64_t until)
{
    uint64_t end = m->halted_until < until ? m->halted_until : until;
    if (m->next_due < end) end = m->next_due;
    m->awake_cycles += end - m->cycles;
    m->cycles = end;
}

AVR_EXPORT int avr_run(avr_machine *m, avr_flash *flash, uint64_t until)
{
    for (;;) {
        if (m->next_due <= m->cycles) fire_events(m, ~0);
        if (m->sleeping == 1) fall_asleep(m);
        if (UNLIKELY(m->stop)) return take_stop(m);
        if (m->cycles >= until)
            return m->sleeping == 2 && sleeps_for_ever(m) ? AVR_STOP_HALTED : AVR_STOP_DEADLINE;

        if (UNLIKELY(m->cycles < m->halted_until)) {
            stand_still(m, until);
            continue;
        }

        uint32_t pending = (uint32_t)avr_irq_pending(m);
        int interrupts = (m->sreg & SREG_I) && (LIKELY(!pending) || !avr_boot_blocks_interrupts(m));
        if (m->sleeping) {
            if ((pending & wake_sources(m)) && interrupts) {
                wake(m);
                m->irq_inhibit = 0;
                enter_interrupt(m, __builtin_ctz(pending & wake_sources(m)));
                continue;
            }
            uint64_t next = next_due_asleep(m);
            if (next == NEVER || (until == NEVER && sleeps_for_ever(m))) {
                if (until != NEVER) m->cycles = until;
                return AVR_STOP_HALTED;
            }
            m->cycles = next < until ? next : until;
            continue;
        }
        if (pending && interrupts && !m->irq_inhibit) {
            enter_interrupt(m, __builtin_ctz(pending));
            continue;
        }
        uint64_t horizon = m->next_due < until ? m->next_due : until;
        if (m->irq_inhibit || (pending && !interrupts && (m->sreg & SREG_I))) {
            m->irq_inhibit = 0;
            horizon = m->cycles + 1;
        }
        if (UNLIKELY(m->spm_spmcsr & RWWSB)) { /* where the program goes is looked at before each instruction */
            if (m->pc < NRWW_START) {
                avr_fault(m, AVR_FAULT_RWW, (uint16_t)(2 * m->pc));
                continue;
            }
            horizon = m->cycles + 1;
        }
        avr_cpu(m, flash, horizon);
        if (m->stall) {
            m->cycles += m->stall;
            m->awake_cycles += m->stall;
            m->stall = 0;
        }
    }
}

AVR_EXPORT uint32_t avr_machine_size(void) { return (uint32_t)sizeof(avr_machine); }

AVR_EXPORT void avr_reset(avr_machine *m, uint8_t cause)
{
    uint8_t mcusr = (uint8_t)((m->data[R_MCUSR] & 0x0F) | cause);
    if (cause & 1) mcusr = 1; /* a power-on clears the other flags (11.9.1) */
    memset(m->data + 32, 0, SRAM_START - 32); /* 11.1: the I/O registers; R0–R31 and the SRAM keep what they have */
    m->data[R_MCUSR] = mcusr;
    m->data[R_SPL] = (uint8_t)RAMEND, m->data[R_SPH] = (uint8_t)(RAMEND >> 8);
    m->pc = avr_reset_vector(m), m->sreg = 0;
    m->sleeping = m->irq_inhibit = 0;
    m->stop = 0;
    m->stall = 0;
    for (int e = 0; e < AVR_EVENT_COUNT; e++) m->due[e] = NEVER;
    avr_timer_reset(m);
    avr_usart_reset(m);
    avr_spi_reset(m);
    avr_twi_reset(m);
    avr_adc_reset(m);
    avr_wdt_reset(m);
    avr_eeprom_reset(m);
    avr_spm_reset(m);
    avr_gpio_reset(m);
    find_next_due(m);
}

AVR_EXPORT void avr_init(avr_machine *m, uint32_t clock_hz, uint32_t wdt_hz, uint64_t flash_id)
{
    memset(m, 0, sizeof *m);
    m->clock_hz = clock_hz;
    m->wdt_hz = wdt_hz;
    m->flash_id = flash_id;
    m->stack_low = RAMEND;
    m->fuse_low = m->fuse_high = m->fuse_extended = m->lock_bits = 0xFF;
    memset(m->eeprom, 0xFF, sizeof m->eeprom);
    avr_reset(m, 1);
}
