/* Which register is whose: the I/O space of the ATmega328P (chapter 36). What is reserved or not modelled
 * is a fault that names the register; nothing is guessed. */
#include "machine.h"

static const uint8_t prr_timers = 0x68;

uint8_t avr_io_read(avr_machine *m, uint16_t address)
{
    switch (address) {
    case R_PINB: case R_PINC: case R_PIND: return avr_gpio_read_pin(m, (address - R_PINB) / 3);
    case R_DDRB: case R_DDRC: case R_DDRD: return m->pin_ddr[(address - R_DDRB) / 3];
    case R_PORTB: case R_PORTC: case R_PORTD: return m->pin_out[(address - R_PORTB) / 3];
    case R_PCIFR: return m->pcifr;
    case R_EIFR: return m->eifr;
    case R_TIFR0: case R_TIFR1: case R_TIFR2: case R_TIMSK0: case R_TIMSK1: case R_TIMSK2:
    case R_TCCR0A: case R_TCCR0B: case R_TCNT0: case R_OCR0A: case R_OCR0B:
    case R_TCCR1A: case R_TCCR1B: case R_TCCR1C: case R_TCNT1L: case R_TCNT1H: case R_ICR1L: case R_ICR1H:
    case R_OCR1AL: case R_OCR1AH: case R_OCR1BL: case R_OCR1BH:
    case R_TCCR2A: case R_TCCR2B: case R_TCNT2: case R_OCR2A: case R_OCR2B:
        return avr_timer_read(m, address);
    case R_EECR: return avr_eeprom_read_control(m);
    case R_SPCR: case R_SPSR: case R_SPDR: return avr_spi_read(m, address);
    case R_TWBR: case R_TWSR: case R_TWAR: case R_TWDR: case R_TWCR: case R_TWAMR: return avr_twi_read(m, address);
    case R_UCSR0A: case R_UCSR0B: case R_UCSR0C: case R_UBRR0L: case R_UBRR0H: case R_UDR0:
        return avr_usart_read(m, address);
    case R_ADCL: case R_ADCH: case R_ADCSRA: return avr_adc_read(m, address);
    case R_WDTCSR: return m->wdt_wdtcsr;
    case R_SREG: return m->sreg;
    case R_SPMCSR: return m->spm_spmcsr;
    case R_ACSR: /* only "switched off" is modelled of the comparator */
    case R_EIMSK: case R_GPIOR0: case R_GPIOR1: case R_GPIOR2: case R_EEDR: case R_EEARL: case R_EEARH:
    case R_GTCCR: case R_SMCR: case R_MCUSR: case R_MCUCR: case R_SPL: case R_SPH: case R_CLKPR: case R_PRR:
    case R_OSCCAL: case R_PCICR: case R_EICRA: case R_PCMSK0: case R_PCMSK1: case R_PCMSK2: case R_ADCSRB:
    case R_ADMUX: case R_DIDR0: case R_DIDR1: case R_ASSR:
        return m->data[address];
    default: avr_fault(m, AVR_FAULT_REGISTER, address); return 0;
    }
}

static void sync_timers(avr_machine *m)
{
    for (int n = 0; n < 3; n++) avr_timer_event(m, n);
}

/* 17.4.1: PSRSYNC and PSRASY restart the prescalers; with TSM they stay in reset. */
static void write_gtccr(avr_machine *m, uint8_t value)
{
    sync_timers(m);
    uint8_t before = m->data[R_GTCCR];
    uint8_t held = (before & 0x80) ? before & 0x03 : 0;
    uint8_t restart = (uint8_t)((value | held) & 0x03);
    if (restart & 1) m->timer[0].prescaler_base = m->timer[1].prescaler_base = io_now(m);
    if (restart & 2) m->timer[2].prescaler_base = io_now(m);
    m->data[R_GTCCR] = (value & 0x80) ? value & 0x83 : 0;
    sync_timers(m);
}

static void write_prr(avr_machine *m, uint8_t value)
{
    sync_timers(m);
    m->data[R_PRR] = value & 0xEF;
    if (value & prr_timers) sync_timers(m);
    sync_timers(m);
}

/* 9.12.2: CLKPCE, then the divisor within four cycles. Only the divisor 1 is modelled: the clock of the
 * virtual time is the CPU clock. */
static void write_clkpr(avr_machine *m, uint8_t value)
{
    if (value == 0x80) {
        m->clkpr_until = m->cycles + 4;
    } else if (m->cycles <= m->clkpr_until && (value & 0x0F) != 0) {
        avr_fault(m, AVR_FAULT_REGISTER, R_CLKPR);
    }
}

static void write_mcucr(avr_machine *m, uint8_t value)
{
    if (value & 0x02) avr_fault(m, AVR_FAULT_REGISTER, R_MCUCR); /* IVSEL */
    m->data[R_MCUCR] = value & 0x71;                              /* PUD, BODS, BODSE, IVCE */
    for (int port = 0; port < 3; port++) avr_gpio_update(m, port, 1);
}

void avr_io_write(avr_machine *m, uint16_t address, uint8_t value)
{
    uint8_t *d = m->data;
    switch (address) {
    case R_PINB: case R_PINC: case R_PIND: case R_DDRB: case R_DDRC: case R_DDRD:
    case R_PORTB: case R_PORTC: case R_PORTD:
        avr_gpio_write(m, address, value);
        break;
    case R_PCIFR: m->pcifr &= (uint8_t)~value; break;
    case R_EIFR: m->eifr &= (uint8_t)~value; break;
    case R_TIFR0: case R_TIFR1: case R_TIFR2: case R_TIMSK0: case R_TIMSK1: case R_TIMSK2:
    case R_TCCR0A: case R_TCCR0B: case R_TCNT0: case R_OCR0A: case R_OCR0B:
    case R_TCCR1A: case R_TCCR1B: case R_TCCR1C: case R_TCNT1L: case R_TCNT1H: case R_ICR1L: case R_ICR1H:
    case R_OCR1AL: case R_OCR1AH: case R_OCR1BL: case R_OCR1BH:
    case R_TCCR2A: case R_TCCR2B: case R_TCNT2: case R_OCR2A: case R_OCR2B:
        avr_timer_write(m, address, value);
        break;
    case R_EECR: avr_eeprom_write_control(m, value); break;
    case R_EEARH: d[address] = value & 3; break;
    case R_SPCR: case R_SPSR: case R_SPDR: avr_spi_write(m, address, value); break;
    case R_TWBR: case R_TWSR: case R_TWAR: case R_TWDR: case R_TWCR: case R_TWAMR:
        avr_twi_write(m, address, value);
        break;
    case R_UCSR0A: case R_UCSR0B: case R_UCSR0C: case R_UBRR0L: case R_UBRR0H: case R_UDR0:
        avr_usart_write(m, address, value);
        break;
    case R_ADCL: case R_ADCH: break; /* read-only */
    case R_ADCSRA: avr_adc_write(m, address, value); break;
    case R_ADCSRB:
        if (value & 0x40) avr_fault(m, AVR_FAULT_REGISTER, address); /* ACME: comparator multiplexer */
        d[address] = value & 7;
        sync_timers(m);
        break;
    case R_WDTCSR: avr_wdt_write(m, value); break;
    case R_MCUSR: d[address] &= value; break; /* 11.9.1: flags are cleared by writing zero */
    case R_MCUCR: write_mcucr(m, value); break;
    case R_CLKPR: write_clkpr(m, value); break;
    case R_PRR: write_prr(m, value); break;
    case R_GTCCR: write_gtccr(m, value); break;
    case R_SREG:
        if ((value & SREG_I) && !(m->sreg & SREG_I)) m->irq_inhibit = m->resched = 1;
        m->sreg = value;
        break;
    case R_ACSR:
        if (value & 0x4F) avr_fault(m, AVR_FAULT_REGISTER, address);
        d[address] = value & 0x80;
        break;
    case R_ASSR:
        if (value & 0x60) avr_fault(m, AVR_FAULT_REGISTER, address); /* asynchronous Timer 2 */
        break;
    case R_SPMCSR: avr_spm_write_control(m, value); break;
    case R_PCICR: case R_EIMSK: case R_EICRA: case R_PCMSK0: case R_PCMSK1: case R_PCMSK2:
        d[address] = value & (address == R_PCICR ? 0x07 : address == R_EIMSK ? 0x03 : address == R_EICRA ? 0x0F
                              : address == R_PCMSK1 ? 0x7F : 0xFF);
        m->resched = 1;
        break;
    case R_SMCR: d[address] = value & 0x0F; break;
    case R_ADMUX: d[address] = value & 0xEF; break;
    case R_DIDR0: d[address] = value & 0x3F; break;
    case R_DIDR1: d[address] = value & 0x03; break;
    case R_GPIOR0: case R_GPIOR1: case R_GPIOR2: case R_EEDR: case R_EEARL: case R_OSCCAL: case R_SPL: case R_SPH:
        d[address] = value;
        break;
    default: avr_fault(m, AVR_FAULT_REGISTER, address);
    }
}

/* SBI and CBI touch one bit only: PINx toggles it, a flag register clears it (5.2, note on SBI/CBI). */
void avr_io_write_bit(avr_machine *m, uint16_t address, uint8_t mask, int set)
{
    int flags = (address >= R_TIFR0 && address <= R_TIFR2) || address == R_PCIFR || address == R_EIFR;
    int toggles = address == R_PINB || address == R_PINC || address == R_PIND;
    if (flags || toggles) {
        if (set) avr_io_write(m, address, mask);
        return;
    }
    uint8_t before = avr_io_read(m, address);
    if (m->stop & STOP_FAULT) return;
    avr_io_write(m, address, (uint8_t)(set ? before | mask : before & ~mask));
}
