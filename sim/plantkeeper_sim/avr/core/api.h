/* The emulator's whole interface: the machine as one flat struct, and the calls on it.
 *
 * Read by the C compiler and, as it stands, by cffi: so no includes, no expressions in macros.
 * The core never calls out; avr_run returns when the program touches the outside (see AVR_STOP_*).
 * ATmega328P datasheet: DS40002061B. */

#define AVR_STOP_DEADLINE 0 /* `until` reached at an instruction boundary */
#define AVR_STOP_PIN 1      /* a watched pin changed by the program: pin_changed[], then run on */
#define AVR_STOP_SPI 2      /* SPDR written: answer with avr_spi_reply */
#define AVR_STOP_TWI 3      /* a bus action began: twi_action, answer with avr_twi_reply */
#define AVR_STOP_ADC 4      /* sample-and-hold instant: answer with avr_adc_reply */
#define AVR_STOP_UART 5     /* a line or a full buffer to take: uart_out, uart_out_count */
#define AVR_STOP_HALTED 6   /* asleep until `until`, and no event of the machine will ever wake it */
#define AVR_STOP_FAULT 7    /* fault_code, fault_address, fault_pc say what */
#define AVR_STOP_RESET 8    /* the watchdog reset the machine; run on */

#define AVR_FAULT_ILLEGAL 1     /* opcode that the ATmega328P does not have */
#define AVR_FAULT_PC 2          /* execution or a jump left the program image; fault_address in words */
#define AVR_FAULT_DATA 3        /* data access beyond the SRAM */
#define AVR_FAULT_STACK 4       /* stack grew into static data */
#define AVR_FAULT_REGISTER 5    /* register or bit that is not modelled */
#define AVR_FAULT_SPM 6         /* self-programming that the datasheet leaves open; fault_address is Z */
#define AVR_FAULT_FLASH 7       /* LPM beyond the 32 KiB of flash */
#define AVR_FAULT_RWW 8         /* use of the read-while-write section while a page of it is written; bytes */
#define AVR_FAULT_LOCK 9        /* LPM that the boot lock bits forbid */

#define AVR_TWI_START 1
#define AVR_TWI_WRITE 2 /* twi_byte goes out */
#define AVR_TWI_READ 3  /* twi_ack tells whether the master acknowledges */
#define AVR_TWI_STOP 4

#define AVR_EVENT_COUNT 12
#define AVR_UART_OUT_SIZE 256
#define AVR_UART_IN_SIZE 1024
#define AVR_DATA_SIZE 2304
#define AVR_EEPROM_SIZE 1024
#define AVR_FLASH_PAGE_SIZE 128

typedef struct {
    uint64_t synced;      /* I/O clock cycle up to which tcnt and flags are right */
    uint16_t tcnt, ocr[2], ocr_buffer[2], icr;
    uint8_t tccra, tccrb, timsk, tifr;
    uint8_t down;         /* counting down in a phase correct mode */
    uint8_t match_blocked; /* TCNT was written: no compare match on the next tick (16.7.3) */
    uint8_t oc_level;     /* level of OCxA (bit 0) and OCxB (bit 1) */
    uint8_t temp;         /* high-byte latch of the 16-bit timer (16.3) */
    uint64_t prescaler_base;
} avr_timer;

typedef struct {
    uint64_t cycles;       /* the machine's only clock */
    uint64_t awake_cycles; /* of them, executing */
    uint64_t powered_down_cycles; /* of them, in power-down, up to the last time that it ended */
    uint64_t io_stopped;   /* cycles during which clkI/O stood still (deep sleep) */
    uint64_t io_resumed_at; /* when it ran again for the last time */
    uint64_t due[AVR_EVENT_COUNT];
    uint64_t next_due;
    uint64_t flash_id;
    uint32_t clock_hz, wdt_hz;
    uint16_t pc;           /* words */
    uint8_t sreg;
    uint8_t sleeping, sleep_mode;
    uint8_t resched;       /* the CPU loop leaves after this instruction */
    uint8_t irq_inhibit;   /* one instruction runs before the next interrupt (7.7.1) */
    uint16_t stop;         /* bit 1 << AVR_STOP_* for each stop that is wanted */
    uint16_t stack_limit;  /* lowest address that the stack may use; 0: unchecked */
    uint16_t stack_low;    /* lowest stack pointer that a push or call reached */

    uint8_t fault_code;
    uint16_t fault_address, fault_pc;

    /* ports B, C, D */
    uint8_t pin_out[3], pin_ddr[3];
    uint8_t pin_driven[3], pin_drive_level[3]; /* from outside */
    uint8_t pin_level[3], pin_level_before[3];
    uint8_t pin_clocked[3]; /* level that the edge detectors saw last; they need clkI/O (13.2) */
    uint64_t pin_changed_at[3];
    uint8_t pin_watch[3], pin_changed[3];
    uint8_t oc_override[3], oc_override_level[3];
    uint8_t eifr, pcifr;

    avr_timer timer[3];

    uint8_t usart_tx_full, usart_tx_buffer, usart_tx_shift, usart_tx_busy;
    uint8_t usart_ucsra, usart_ucsrb, usart_ucsrc;
    uint16_t usart_ubrr;
    uint8_t usart_rx_fifo[2], usart_rx_flags[2], usart_rx_count, usart_rx_overrun;
    uint8_t usart_rx_held, usart_rx_shift, usart_rx_shift_flags; /* a frame that waits in the shift register (20.11.2, DOR0) */
    uint8_t uart_in[AVR_UART_IN_SIZE], uart_in_framing[AVR_UART_IN_SIZE];
    uint16_t uart_in_head, uart_in_count;
    uint8_t uart_out[AVR_UART_OUT_SIZE];
    uint64_t uart_out_cycles[AVR_UART_OUT_SIZE];
    uint16_t uart_out_count;

    uint8_t spi_busy, spi_in, spi_out, spi_reply, spi_flag_seen, spi_spsr;

    uint8_t twi_action, twi_byte, twi_ack, twi_reply, twi_state, twi_bus_owned, twi_twcr;

    uint8_t adc_busy, adc_first, adc_channel, adc_latch;
    uint16_t adc_result, adc_reply;
    uint64_t adc_clock_base; /* cycle from which the ADC prescaler counts */
    uint8_t adc_adcsra;

    uint64_t wdt_base;
    uint8_t wdt_wdtcsr;
    uint64_t wdt_change_until;

    uint8_t eeprom_eecr;
    uint64_t eeprom_master_until;
    uint64_t stall;        /* cycles for which the CPU stands still after this instruction */
    uint64_t slept_at;
    uint64_t clkpr_until;

    uint8_t fuse_low, fuse_high, fuse_extended, lock_bits; /* 0 is programmed (27.5, 28.1, 28.2) */
    uint8_t spm_spmcsr, spm_busy;
    uint8_t spm_buffer[AVR_FLASH_PAGE_SIZE];
    uint64_t spm_loaded;   /* bit n: word n of the buffer was loaded */
    uint64_t spm_armed_at;
    uint64_t halted_until; /* the CPU stands still while its own section is written */

    uint8_t eeprom[AVR_EEPROM_SIZE];
    uint8_t data[AVR_DATA_SIZE]; /* registers, I/O (where it is plain storage), SRAM */
} avr_machine;

typedef struct avr_flash avr_flash;

/* Predecode a program image of at most 32 768 bytes; NULL when out of memory or too large. */
avr_flash *avr_flash_new(const uint8_t *image, uint32_t bytes, uint64_t id);
void avr_flash_free(avr_flash *flash);
/* All 32 768 bytes; what was never written is 0xFF. */
void avr_flash_read(const avr_flash *flash, uint8_t *bytes);

/* From now on, remember which instructions run; each costs a little more the first time, and fusing is given up. */
void avr_flash_cover(avr_flash *flash);
/* One byte for each of the 16 384 words: 1 where an instruction ran that begins there. */
void avr_flash_covered(const avr_flash *flash, uint8_t *words);

/* Power on, with fuses and lock bits unprogrammed: whoever sets them resets again. */
void avr_init(avr_machine *m, uint32_t clock_hz, uint32_t wdt_hz, uint64_t flash_id);
/* Reset as from `cause`, a bit of MCUSR (PORF 1, EXTRF 2, BORF 4, WDRF 8). SRAM, EEPROM and flash stay; a machine
 * that failed is whole again. */
void avr_reset(avr_machine *m, uint8_t cause);
/* Run until the cycle counter reaches `until`, or something must be answered: AVR_STOP_*. */
int avr_run(avr_machine *m, avr_flash *flash, uint64_t until);

/* Drive a pin from outside: state 0 low, 1 high, 2 released. port 0 B, 1 C, 2 D. */
void avr_drive(avr_machine *m, int port, int bit, int state);
void avr_spi_reply(avr_machine *m, uint8_t miso);
/* reply: acknowledge bit for start and write, the byte for read. */
void avr_twi_reply(avr_machine *m, uint8_t reply);
/* code: 10-bit conversion result. */
void avr_adc_reply(avr_machine *m, uint16_t code);
/* Queue bytes for the receiver, each with 1 in `framing` where its stop bit is low; returns how many fitted. */
uint32_t avr_uart_feed(avr_machine *m, const uint8_t *bytes, const uint8_t *framing, uint32_t count);
/* Forget what was fed and not yet received. */
void avr_uart_drop(avr_machine *m);
uint32_t avr_machine_size(void);
