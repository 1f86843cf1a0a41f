/* A whole microcontroller of libsimavr with callbacks for what is outside it, so that parts written in Python hang on its
 * wires. Compiled by simavr_mcu.py; loaded with cffi. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <simavr/avr_adc.h>
#include <simavr/avr_eeprom.h>
#include <simavr/avr_ioport.h>
#include <simavr/avr_spi.h>
#include <simavr/avr_twi.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>

#define EXPORT __attribute__((visibility("default")))
#define PORTS 12 /* A to L */
#define R_TWSR 0xB9
#define ADDRESS_ACK 0x18
#define DATA_ACK 0x28

typedef struct {
    avr_t *avr;
    uint64_t until;
    int driving;    /* a level that comes from outside */
    int addressing; /* the address of a write was sent, and its status is not told yet */
    uint8_t (*spi)(uint8_t mosi);
    void (*pin)(int port, int bit, int level);
    int (*twi)(int action, uint8_t byte);
    int (*millivolts)(int channel);
    void (*sent)(uint8_t byte);
    struct watched {
        void *board;
        int port, bit;
    } watched[PORTS][8];
} board;

enum { START = 1, WRITE, READ, STOP };

static void quiet(avr_t *avr, const int level, const char *format, va_list arguments)
{
    (void)avr, (void)level, (void)format, (void)arguments;
}

static void no_sleep(avr_t *avr, avr_cycle_count_t cycles) { (void)avr, (void)cycles; }

static avr_irq_t *irq_of(board *b, uint32_t ioctl, int index) { return avr_io_getirq(b->avr, ioctl, index); }

static void on_spi(avr_irq_t *irq, uint32_t value, void *param)
{
    board *b = param;
    (void)irq;
    avr_raise_irq(irq_of(b, AVR_IOCTL_SPI_GETIRQ(0), SPI_IRQ_INPUT), b->spi((uint8_t)value));
}

static void on_uart(avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq;
    ((board *)param)->sent((uint8_t)value);
}

static void on_pin(avr_irq_t *irq, uint32_t value, void *param)
{
    const struct watched *watched = param;
    board *b = watched->board;
    (void)irq;
    if (!b->driving) b->pin(watched->port, watched->bit, (int)(value & 1));
}

static void on_adc(avr_irq_t *irq, uint32_t value, void *param)
{
    board *b = param;
    union {
        avr_adc_mux_t mux;
        uint32_t value;
    } asked = {.value = value};
    (void)irq;
    if (asked.mux.kind != ADC_MUX_SINGLE) return;
    avr_raise_irq(irq_of(b, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_ADC0 + (int)asked.mux.src), (uint32_t)b->millivolts(asked.mux.src));
}

static void on_twi(avr_irq_t *irq, uint32_t value, void *param)
{
    board *b = param;
    avr_twi_msg_irq_t message = {.u.v = value};
    avr_irq_t *input = irq_of(b, AVR_IOCTL_TWI_GETIRQ(0), TWI_IRQ_INPUT);
    const uint8_t address = message.u.twi.addr, what = message.u.twi.msg;
    (void)irq;
    b->addressing = (what & TWI_COND_START) && !(address & 1);
    if (what & TWI_COND_STOP) b->twi(STOP, 0);
    if ((what & TWI_COND_START) && b->twi(START, address)) avr_raise_irq(input, avr_twi_irq_msg(TWI_COND_ACK, address, 1));
    if ((what & TWI_COND_WRITE) && b->twi(WRITE, message.u.twi.data))
        avr_raise_irq(input, avr_twi_irq_msg(TWI_COND_ACK, address, 1));
    if (what & TWI_COND_READ)
        avr_raise_irq(input, avr_twi_irq_msg(TWI_COND_READ, address, (uint8_t)b->twi(READ, 0)));
}

/* For a program that polls: simavr 1.6 leaves TWINT set where it should be cleared by writing a one … */
static void mend_twint(avr_t *avr)
{
    for (avr_io_t *io = avr->io_port; io; io = io->next)
        if (!strcmp(io->kind, "twi")) ((avr_twi_t *)io)->twi.raise_sticky = 0;
}

/* … and tells of an address that was acknowledged as of a byte. */
static void mend_status(board *b)
{
    uint8_t *status = b->avr->data + R_TWSR;
    if (!b->addressing || (*status & 0xF8) != DATA_ACK) return;
    *status = (uint8_t)(ADDRESS_ACK | (*status & 7));
    b->addressing = 0;
}

EXPORT void *board_new(const char *mcu, const uint8_t *image, uint32_t bytes, const uint8_t *eeprom, uint32_t eeprom_bytes)
{
    avr_global_logger_set(quiet);
    board *b = calloc(1, sizeof *b);
    avr_t *avr = avr_make_mcu_by_name(mcu);
    if (!b || !avr) return NULL;
    avr_init(avr);
    avr->log = 0;
    avr->frequency = 16000000;
    avr->vcc = avr->avcc = avr->aref = 5000;
    avr->sleep = no_sleep;
    b->avr = avr;
    memset(avr->flash, 0xFF, avr->flashend + 1);
    memcpy(avr->flash, image, bytes);
    avr->codeend = avr->flashend;
    avr_eeprom_desc_t content = {.ee = (uint8_t *)eeprom, .offset = 0, .size = eeprom_bytes};
    avr_ioctl(avr, AVR_IOCTL_EEPROM_SET, &content);
    mend_twint(avr);
    uint32_t flags = 0;
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    return b;
}

EXPORT void board_attach(void *handle, uint8_t (*spi)(uint8_t), void (*pin)(int, int, int), int (*twi)(int, uint8_t),
                         int (*millivolts)(int), void (*sent)(uint8_t))
{
    board *b = handle;
    b->spi = spi, b->pin = pin, b->twi = twi, b->millivolts = millivolts, b->sent = sent;
    avr_irq_register_notify(irq_of(b, AVR_IOCTL_SPI_GETIRQ(0), SPI_IRQ_OUTPUT), on_spi, b);
    avr_irq_register_notify(irq_of(b, AVR_IOCTL_TWI_GETIRQ(0), TWI_IRQ_OUTPUT), on_twi, b);
    avr_irq_register_notify(irq_of(b, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_OUT_TRIGGER), on_adc, b);
    avr_irq_register_notify(irq_of(b, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_uart, b);
}

EXPORT void board_watch(void *handle, int port, int bit)
{
    board *b = handle;
    struct watched *watched = &b->watched[port][bit];
    watched->board = b, watched->port = port, watched->bit = bit;
    avr_irq_register_notify(irq_of(b, AVR_IOCTL_IOPORT_GETIRQ('A' + port), bit), on_pin, watched);
}

EXPORT void board_drive(void *handle, int port, int bit, int level)
{
    board *b = handle;
    b->driving = 1;
    avr_raise_irq(irq_of(b, AVR_IOCTL_IOPORT_GETIRQ('A' + port), bit), (uint32_t)level);
    b->driving = 0;
}

/* Bits of PORTx, DDRx and PINx in one word. */
EXPORT uint32_t board_port(void *handle, int port)
{
    avr_ioport_state_t state;
    avr_ioctl(((board *)handle)->avr, AVR_IOCTL_IOPORT_GETSTATE('A' + port), &state);
    return (uint32_t)(state.port << 16 | state.ddr << 8 | state.pin);
}

EXPORT void board_feed(void *handle, uint8_t byte)
{
    avr_raise_irq(irq_of(handle, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT), byte);
}

static avr_cycle_count_t wake(avr_t *avr, avr_cycle_count_t when, void *param)
{
    (void)avr, (void)when, (void)param;
    return 0;
}

/* Let board_run come back at that cycle; also while it runs. */
EXPORT void board_until(void *handle, uint64_t until)
{
    board *b = handle;
    b->until = until;
    avr_cycle_timer_cancel(b->avr, wake, b);
    if (until > b->avr->cycle) avr_cycle_timer_register(b->avr, until - b->avr->cycle, wake, b); /* no sleep goes past it */
}

/* 0 where it came to the cycle; else simavr's state (crashed, done). */
EXPORT int board_run(void *handle)
{
    board *b = handle;
    while (b->avr->cycle < b->until) {
        const int state = avr_run(b->avr);
        if (state == cpu_Crashed || state == cpu_Done) return state;
        mend_status(b);
    }
    return 0;
}

EXPORT void board_eeprom(void *handle, uint8_t *content, uint32_t bytes)
{
    avr_eeprom_desc_t wanted = {.ee = content, .offset = 0, .size = bytes};
    avr_ioctl(((board *)handle)->avr, AVR_IOCTL_EEPROM_GET, &wanted);
}

EXPORT uint64_t board_cycles(void *handle) { return ((board *)handle)->avr->cycle; }
