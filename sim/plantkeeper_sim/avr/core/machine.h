/* What the core's files share. Datasheet section numbers: ATmega328P, DS40002061B. */
#ifndef PLANTKEEPER_AVR_MACHINE_H
#define PLANTKEEPER_AVR_MACHINE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define AVR_EXPORT __attribute__((visibility("default")))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define AVR_EXPORT
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#endif

#include "api.h"

#define STOP_FAULT (1u << AVR_STOP_FAULT)
#define NEVER UINT64_MAX
#define FLASH_WORDS 16384u
#define NRWW_START 0x3800u /* word from which the CPU stands still while flash is written (table 27-14) */
#define RWWSB 0x40         /* SPMCSR: the section below it cannot be used (27.9.1) */
#define SRAM_START 0x100u
#define SRAM_SIZE 0x800u
#define RAMEND 0x8FFu

/* SREG bits (7.3.1) */
enum { SREG_C = 1, SREG_Z = 2, SREG_N = 4, SREG_V = 8, SREG_S = 16, SREG_H = 32, SREG_T = 64, SREG_I = 128 };

/* Interrupt vectors (12.4), numbered from 0 (reset). */
enum {
    VECT_INT0 = 1, VECT_INT1, VECT_PCINT0, VECT_PCINT1, VECT_PCINT2, VECT_WDT,
    VECT_T2_COMPA, VECT_T2_COMPB, VECT_T2_OVF, VECT_T1_CAPT, VECT_T1_COMPA, VECT_T1_COMPB, VECT_T1_OVF,
    VECT_T0_COMPA, VECT_T0_COMPB, VECT_T0_OVF, VECT_SPI, VECT_USART_RX, VECT_USART_UDRE, VECT_USART_TX,
    VECT_ADC, VECT_EE_READY, VECT_ANALOG_COMP, VECT_TWI, VECT_SPM_READY
};

/* Events that peripherals schedule. */
enum {
    EV_TIMER0, EV_TIMER1, EV_TIMER2, EV_USART_TX, EV_USART_RX, EV_SPI, EV_TWI, EV_ADC_SAMPLE, EV_ADC_DONE,
    EV_WDT, EV_EEPROM, EV_SPM
};

/* Sleep modes, SMCR.SM (10.11.1) */
enum { SLEEP_IDLE = 0, SLEEP_ADC = 1, SLEEP_POWER_DOWN = 2, SLEEP_POWER_SAVE = 3, SLEEP_STANDBY = 6, SLEEP_EXT_STANDBY = 7 };

/* Register addresses in data space (chapter 36). */
enum {
    R_PINB = 0x23, R_DDRB, R_PORTB, R_PINC, R_DDRC, R_PORTC, R_PIND, R_DDRD, R_PORTD,
    R_TIFR0 = 0x35, R_TIFR1, R_TIFR2, R_PCIFR = 0x3B, R_EIFR, R_EIMSK, R_GPIOR0, R_EECR,
    R_EEDR = 0x40, R_EEARL, R_EEARH, R_GTCCR, R_TCCR0A, R_TCCR0B, R_TCNT0, R_OCR0A, R_OCR0B,
    R_GPIOR1 = 0x4A, R_GPIOR2, R_SPCR, R_SPSR, R_SPDR, R_ACSR = 0x50,
    R_SMCR = 0x53, R_MCUSR, R_MCUCR, R_SPMCSR = 0x57, R_SPL = 0x5D, R_SPH, R_SREG,
    R_WDTCSR = 0x60, R_CLKPR, R_PRR = 0x64, R_OSCCAL = 0x66, R_PCICR = 0x68, R_EICRA,
    R_PCMSK0 = 0x6B, R_PCMSK1, R_PCMSK2, R_TIMSK0, R_TIMSK1, R_TIMSK2,
    R_ADCL = 0x78, R_ADCH, R_ADCSRA, R_ADCSRB, R_ADMUX, R_DIDR0 = 0x7E, R_DIDR1,
    R_TCCR1A, R_TCCR1B, R_TCCR1C, R_TCNT1L = 0x84, R_TCNT1H, R_ICR1L, R_ICR1H, R_OCR1AL, R_OCR1AH, R_OCR1BL, R_OCR1BH,
    R_TCCR2A = 0xB0, R_TCCR2B, R_TCNT2, R_OCR2A, R_OCR2B, R_ASSR = 0xB6,
    R_TWBR = 0xB8, R_TWSR, R_TWAR, R_TWDR, R_TWCR, R_TWAMR,
    R_UCSR0A = 0xC0, R_UCSR0B, R_UCSR0C, R_UBRR0L = 0xC4, R_UBRR0H, R_UDR0
};

/* Predecoded instruction: 8 bytes a flash word. */
typedef struct {
    uint8_t handler; /* may be fused with what follows */
    uint8_t single;  /* this instruction alone */
    uint8_t a, b;
    uint16_t k;
    uint16_t run; /* cycles from here to the end of the block, its last instruction included */
} avr_op;

struct avr_flash {
    uint64_t id;
    uint32_t bytes;
    uint8_t image[FLASH_WORDS * 2];
    avr_op ops[FLASH_WORDS + 3]; /* a skip in the last word may pass a two-word instruction */
};


/* decode.c: put a page into the flash, at its byte address. */
void avr_flash_change(struct avr_flash *flash, uint32_t page, const uint8_t bytes[AVR_FLASH_PAGE_SIZE]);

/* cpu.c: run instructions until m->cycles >= horizon or m->resched. */
void avr_cpu(avr_machine *m, struct avr_flash *flash, uint64_t horizon);

/* io.c */
uint8_t avr_io_read(avr_machine *m, uint16_t address);
void avr_io_write(avr_machine *m, uint16_t address, uint8_t value);
void avr_io_write_bit(avr_machine *m, uint16_t address, uint8_t mask, int set);
void avr_fault(avr_machine *m, uint8_t code, uint16_t address);

/* run.c */
void avr_schedule(avr_machine *m, int event, uint64_t due);
void avr_want_stop(avr_machine *m, uint8_t code);
uint64_t avr_irq_pending(const avr_machine *m);
void avr_io_events(avr_machine *m);

/* True while clkI/O stands still: every sleep mode but idle (table 10-1). */
static inline int io_clock_stopped(const avr_machine *m) { return m->sleeping == 2 && m->sleep_mode != SLEEP_IDLE; }

/* Cycle count of clkI/O, which stands still in deep sleep. */
static inline uint64_t io_now(const avr_machine *m) { return m->cycles - m->io_stopped; }

/* gpio.c */
void avr_gpio_update(avr_machine *m, int port, int by_program);
uint8_t avr_gpio_read_pin(const avr_machine *m, int port);
void avr_gpio_oc(avr_machine *m, int port, int bit, int enabled, int level);
void avr_gpio_clock_resumed(avr_machine *m);
void avr_gpio_reset(avr_machine *m);
void avr_gpio_write(avr_machine *m, uint16_t address, uint8_t value);

/* timer.c */
void avr_timer_reset(avr_machine *m);
void avr_timer_sync(avr_machine *m, int t);
void avr_timer_event(avr_machine *m, int t);
uint8_t avr_timer_read(avr_machine *m, uint16_t address);
void avr_timer_write(avr_machine *m, uint16_t address, uint8_t value);
void avr_timer_external_edge(avr_machine *m, int t, int rising);
void avr_timer_capture_edge(avr_machine *m, int rising);
void avr_timer_irq_taken(avr_machine *m, int vector);

/* usart.c */
void avr_usart_reset(avr_machine *m);
uint8_t avr_usart_read(avr_machine *m, uint16_t address);
void avr_usart_write(avr_machine *m, uint16_t address, uint8_t value);
void avr_usart_tx_event(avr_machine *m);
void avr_usart_rx_event(avr_machine *m);

/* spi.c, twi.c, adc.c, wdt.c, eeprom.c */
void avr_spi_reset(avr_machine *m);
uint8_t avr_spi_read(avr_machine *m, uint16_t address);
void avr_spi_write(avr_machine *m, uint16_t address, uint8_t value);
void avr_spi_event(avr_machine *m);
void avr_twi_reset(avr_machine *m);
uint8_t avr_twi_read(avr_machine *m, uint16_t address);
void avr_twi_write(avr_machine *m, uint16_t address, uint8_t value);
void avr_twi_event(avr_machine *m);
void avr_adc_reset(avr_machine *m);
uint8_t avr_adc_read(avr_machine *m, uint16_t address);
void avr_adc_write(avr_machine *m, uint16_t address, uint8_t value);
void avr_adc_sample_event(avr_machine *m);
void avr_adc_done_event(avr_machine *m);
void avr_adc_trigger(avr_machine *m, uint64_t at);
void avr_adc_clock_stopped(avr_machine *m, uint64_t cycles);
void avr_adc_sleep_start(avr_machine *m);
void avr_wdt_reset(avr_machine *m);
void avr_wdt_write(avr_machine *m, uint8_t value);
void avr_wdt_kick(avr_machine *m);
void avr_wdt_event(avr_machine *m);
void avr_eeprom_reset(avr_machine *m);
void avr_eeprom_write_control(avr_machine *m, uint8_t value);
uint8_t avr_eeprom_read_control(avr_machine *m);
void avr_eeprom_event(avr_machine *m);

/* spm.c */
void avr_spm_reset(avr_machine *m);
uint16_t avr_boot_start(const avr_machine *m);
uint16_t avr_reset_vector(const avr_machine *m);
int avr_boot_blocks_interrupts(const avr_machine *m);
void avr_spm_write_control(avr_machine *m, uint8_t value);
void avr_spm_event(avr_machine *m);
void avr_spm_eeprom_written(avr_machine *m);
void avr_spm(avr_machine *m, struct avr_flash *flash);
uint32_t avr_lpm_limit(const avr_machine *m);
int avr_lpm(avr_machine *m, const struct avr_flash *flash, uint16_t z);

#endif
