/* TWI master (chapter 22). Each bus action takes its bits' time; the part answers when the action begins. */
#include "machine.h"

enum { TWINT = 0x80, TWEA = 0x40, TWSTA = 0x20, TWSTO = 0x10, TWWC = 0x08, TWEN = 0x04, TWIE = 0x01 };
enum { IDLE, STARTING, STARTED, ADDRESSING, TRANSMITTER, SENDING, RECEIVER, RECEIVING, STOPPING, WAITING, REFUSED };

static uint64_t bit_cycles(const avr_machine *m)
{
    return 16u + 2u * m->data[R_TWBR] * (1u << (2 * (m->data[R_TWSR] & 3))); /* 22.5.2 */
}

static void status(avr_machine *m, uint8_t code)
{
    m->data[R_TWSR] = (uint8_t)((m->data[R_TWSR] & 3) | code);
    m->twi_twcr |= TWINT;
    m->due[EV_TWI] = NEVER;
}

static int lines_are_free(const avr_machine *m)
{
    uint8_t held = m->pin_driven[1] & (uint8_t)~m->pin_drive_level[1];
    return (held & 0x30) == 0; /* SDA on PC4, SCL on PC5 */
}

static void ask(avr_machine *m, uint8_t action, uint8_t state, uint32_t bits)
{
    m->twi_action = action;
    m->twi_state = state;
    avr_schedule(m, EV_TWI, m->cycles + bits * bit_cycles(m));
    avr_want_stop(m, AVR_STOP_TWI);
}

static void begin_start(avr_machine *m)
{
    m->twi_state = lines_are_free(m) ? STARTING : WAITING;
    avr_schedule(m, EV_TWI, m->cycles + bit_cycles(m));
}

static void begin(avr_machine *m)
{
    if ((m->twi_twcr & TWSTO) && !m->twi_bus_owned) { /* 22.9.2: only releases the lines */
        m->twi_twcr &= (uint8_t)~TWSTO;
        m->twi_state = IDLE;
        if (m->twi_twcr & TWSTA) begin_start(m);
    } else if (m->twi_twcr & TWSTO) {
        ask(m, AVR_TWI_STOP, STOPPING, 1);
    } else if (m->twi_twcr & TWSTA) {
        begin_start(m);
    } else if (m->twi_state == STARTED) {
        m->twi_byte = m->data[R_TWDR];
        ask(m, AVR_TWI_START, ADDRESSING, 9);
    } else if (m->twi_state == TRANSMITTER) {
        m->twi_byte = m->data[R_TWDR];
        ask(m, AVR_TWI_WRITE, SENDING, 9);
    } else if (m->twi_state == RECEIVER) {
        m->twi_ack = (m->twi_twcr & TWEA) != 0;
        ask(m, AVR_TWI_READ, RECEIVING, 9);
    } else if (m->twi_state == REFUSED) {
        avr_fault(m, AVR_FAULT_REGISTER, R_TWCR); /* table 22-3: after a NACK only START and STOP are defined */
    }
}

void avr_twi_event(avr_machine *m)
{
    m->due[EV_TWI] = NEVER;
    switch (m->twi_state) {
    case WAITING: begin_start(m); break;
    case STARTING:
        status(m, m->twi_bus_owned ? 0x10 : 0x08);
        m->twi_bus_owned = 1;
        m->twi_state = STARTED;
        break;
    case ADDRESSING:
        if (m->twi_byte & 1) {
            status(m, m->twi_reply ? 0x40 : 0x48);
            m->twi_state = m->twi_reply ? RECEIVER : REFUSED;
        } else {
            status(m, m->twi_reply ? 0x18 : 0x20);
            m->twi_state = TRANSMITTER; /* table 22-2: data may follow a NACK too */
        }
        break;
    case SENDING:
        status(m, m->twi_reply ? 0x28 : 0x30);
        m->twi_state = TRANSMITTER;
        break;
    case RECEIVING:
        m->data[R_TWDR] = m->twi_reply;
        status(m, m->twi_ack ? 0x50 : 0x58);
        m->twi_state = m->twi_ack ? RECEIVER : REFUSED;
        break;
    case STOPPING:
        m->twi_twcr &= (uint8_t)~TWSTO;
        m->twi_bus_owned = 0;
        m->twi_state = IDLE;
        m->data[R_TWSR] = (uint8_t)((m->data[R_TWSR] & 3) | 0xF8);
        if (m->twi_twcr & TWSTA) begin_start(m);
        break;
    default: break;
    }
}

AVR_EXPORT void avr_twi_reply(avr_machine *m, uint8_t reply) { m->twi_reply = reply; }

uint8_t avr_twi_read(avr_machine *m, uint16_t address)
{
    return address == R_TWCR ? m->twi_twcr : m->data[address];
}

static void write_control(avr_machine *m, uint8_t value)
{
    uint8_t flag = m->twi_twcr & TWINT, stopping = m->twi_twcr & TWSTO;
    m->resched = 1;
    if (!(value & TWEN)) {
        m->twi_twcr = value & TWIE;
        m->twi_state = IDLE;
        m->twi_bus_owned = 0;
        avr_schedule(m, EV_TWI, NEVER);
        return;
    }
    m->twi_twcr = (uint8_t)((value & (TWEA | TWSTA | TWSTO | TWEN | TWIE)) | (m->twi_twcr & TWWC) | stopping);
    if (value & TWINT) {
        if (m->due[EV_TWI] == NEVER) begin(m); /* nothing under way: TWINT written one starts the next action */
    } else {
        m->twi_twcr |= flag;
    }
}

void avr_twi_write(avr_machine *m, uint16_t address, uint8_t value)
{
    if (m->data[R_PRR] & 0x80) return; /* PRTWI */
    switch (address) {
    case R_TWCR: write_control(m, value); break;
    case R_TWSR: m->data[R_TWSR] = (uint8_t)((m->data[R_TWSR] & 0xF8) | (value & 3)); break;
    case R_TWDR:
        if (m->twi_twcr & TWINT || m->twi_state == IDLE) {
            m->data[R_TWDR] = value;
            m->twi_twcr &= (uint8_t)~TWWC;
        } else {
            m->twi_twcr |= TWWC; /* 22.9.2 */
        }
        break;
    default: m->data[address] = value;
    }
}

void avr_twi_reset(avr_machine *m)
{
    m->data[R_TWSR] = 0xF8, m->data[R_TWDR] = 0xFF, m->data[R_TWAR] = 0xFE;
    m->twi_twcr = m->twi_state = m->twi_bus_owned = 0;
}
