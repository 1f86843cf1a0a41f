/* USART0, asynchronous (chapter 20). Frames take their real time; the shift register starts at once.
 * In deep sleep the receiver stands still and frames go by (table 10-1); each start bit is a pin change of RXD. */
#include "machine.h"

enum { RXC = 0x80, TXC = 0x40, UDRE = 0x20, FE = 0x10, DOR = 0x08, UPE = 0x04, U2X = 0x02, MPCM = 0x01 };
enum { RXEN = 0x10, TXEN = 0x08, UCSZ2 = 0x04 };

static uint64_t frame_cycles(const avr_machine *m)
{
    uint32_t data_bits = 5u + ((m->usart_ucsrc >> 1) & 3);
    uint32_t parity = (m->usart_ucsrc & 0x30) ? 1 : 0, stop = (m->usart_ucsrc & 0x08) ? 2 : 1;
    uint32_t bit = (m->usart_ubrr + 1u) * ((m->usart_ucsra & U2X) ? 8u : 16u);
    return (uint64_t)bit * (1 + data_bits + parity + stop);
}

static uint8_t data_mask(const avr_machine *m) { return (uint8_t)(0xFF >> (3 - ((m->usart_ucsrc >> 1) & 3))); }

static void start_tx(avr_machine *m, uint8_t byte, uint64_t at)
{
    m->usart_tx_shift = byte;
    m->usart_tx_busy = 1;
    avr_schedule(m, EV_USART_TX, at + frame_cycles(m));
}

void avr_usart_tx_event(avr_machine *m)
{
    uint64_t at = m->due[EV_USART_TX];
    uint8_t byte = m->usart_tx_shift & data_mask(m);
    m->due[EV_USART_TX] = NEVER;
    m->uart_out[m->uart_out_count] = byte;
    m->uart_out_cycles[m->uart_out_count++] = at;
    if (byte == '\n' || m->uart_out_count == AVR_UART_OUT_SIZE) avr_want_stop(m, AVR_STOP_UART);
    if (m->usart_tx_full) {
        m->usart_tx_full = 0;
        start_tx(m, m->usart_tx_buffer, at);
    } else {
        m->usart_tx_busy = 0;
        m->usart_ucsra |= TXC;
    }
}

static void expect_next_frame(avr_machine *m, uint64_t from)
{
    if (!m->uart_in_count || !(m->usart_ucsrb & RXEN)) return;
    if (m->data[R_PCMSK2] & 1) m->pcifr |= 4; /* PCINT16; the frame's other edges are not told */
    if (m->usart_rx_held && !io_clock_stopped(m)) { /* 20.11.2: the start bit finds the buffer and the shift register full */
        m->usart_rx_held = 0;
        m->usart_rx_overrun = DOR;
    }
    avr_schedule(m, EV_USART_RX, from + frame_cycles(m));
}

static void receive(avr_machine *m, uint8_t byte, uint8_t flags)
{
    m->usart_rx_fifo[m->usart_rx_count] = byte;
    m->usart_rx_flags[m->usart_rx_count++] = flags | m->usart_rx_overrun; /* told with the next frame that is received */
    m->usart_rx_overrun = 0;
}

void avr_usart_rx_event(avr_machine *m)
{
    uint64_t at = m->due[EV_USART_RX];
    m->due[EV_USART_RX] = NEVER;
    uint8_t byte = m->uart_in[m->uart_in_head] & data_mask(m);
    uint8_t flags = m->uart_in_framing[m->uart_in_head] ? FE : 0;
    m->uart_in_head = (uint16_t)((m->uart_in_head + 1) % AVR_UART_IN_SIZE);
    m->uart_in_count--;
    if (io_clock_stopped(m) || at - frame_cycles(m) < m->io_resumed_at)
        ; /* its start bit came while clkI/O stood still: it is lost, whole */
    else if (m->usart_rx_count < 2)
        receive(m, byte, flags);
    else
        m->usart_rx_held = 1, m->usart_rx_shift = byte, m->usart_rx_shift_flags = flags;
    m->resched = 1;
    expect_next_frame(m, at);
}

AVR_EXPORT uint32_t avr_uart_feed(avr_machine *m, const uint8_t *bytes, const uint8_t *framing, uint32_t count)
{
    uint32_t taken = 0;
    for (; taken < count && m->uart_in_count < AVR_UART_IN_SIZE; taken++, m->uart_in_count++) {
        uint32_t at = (uint32_t)(m->uart_in_head + m->uart_in_count) % AVR_UART_IN_SIZE;
        m->uart_in[at] = bytes[taken], m->uart_in_framing[at] = framing[taken];
    }
    if (taken && m->due[EV_USART_RX] == NEVER) expect_next_frame(m, m->cycles);
    return taken;
}

AVR_EXPORT void avr_uart_drop(avr_machine *m)
{
    m->uart_in_count = 0;
    avr_schedule(m, EV_USART_RX, NEVER);
}

uint8_t avr_usart_read(avr_machine *m, uint16_t address)
{
    switch (address) {
    case R_UCSR0A:
        return (uint8_t)((m->usart_ucsra & (TXC | U2X | MPCM)) | (m->usart_tx_full ? 0 : UDRE) |
                         (m->usart_rx_count ? RXC | m->usart_rx_flags[0] : 0));
    case R_UCSR0B: return m->usart_ucsrb;
    case R_UCSR0C: return m->usart_ucsrc;
    case R_UBRR0L: return (uint8_t)m->usart_ubrr;
    case R_UBRR0H: return (uint8_t)(m->usart_ubrr >> 8);
    default: {
        uint8_t byte = m->usart_rx_fifo[0];
        if (m->usart_rx_count) {
            m->usart_rx_fifo[0] = m->usart_rx_fifo[1];
            m->usart_rx_flags[0] = m->usart_rx_flags[1];
            m->usart_rx_count--;
            if (m->usart_rx_held) {
                m->usart_rx_held = 0;
                receive(m, m->usart_rx_shift, m->usart_rx_shift_flags);
            }
        }
        return byte;
    }
    }
}

static void write_data(avr_machine *m, uint8_t value)
{
    if (!(m->usart_ucsrb & TXEN) || m->usart_tx_full) return; /* 20.6.1: written only with UDRE set */
    if (m->usart_tx_busy) {
        m->usart_tx_buffer = value;
        m->usart_tx_full = 1;
    } else {
        start_tx(m, value, m->cycles);
    }
}

void avr_usart_write(avr_machine *m, uint16_t address, uint8_t value)
{
    m->resched = 1;
    if (m->data[R_PRR] & 0x02) return; /* PRUSART0 */
    switch (address) {
    case R_UCSR0A:
        m->usart_ucsra = (uint8_t)((m->usart_ucsra & TXC & ~value) | (value & U2X));
        if (value & MPCM) avr_fault(m, AVR_FAULT_REGISTER, address);
        break;
    case R_UCSR0B:
        if (value & UCSZ2) avr_fault(m, AVR_FAULT_REGISTER, address); /* nine-bit frames */
        m->usart_ucsrb = value & 0xFC;
        if (!(value & RXEN)) m->usart_rx_count = m->usart_rx_held = 0, m->due[EV_USART_RX] = NEVER;
        if (m->due[EV_USART_RX] == NEVER) expect_next_frame(m, m->cycles);
        break;
    case R_UCSR0C:
        if ((value & 0xC0) || (value & 0x30) == 0x10) /* synchronous and SPI modes, reserved parity mode */
            avr_fault(m, AVR_FAULT_REGISTER, address);
        m->usart_ucsrc = value;
        break;
    case R_UBRR0L: m->usart_ubrr = (uint16_t)((m->usart_ubrr & 0x0F00) | value); break;
    case R_UBRR0H: m->usart_ubrr = (uint16_t)((m->usart_ubrr & 0x00FF) | (value & 0x0F) << 8); break;
    default: write_data(m, value);
    }
}

void avr_usart_reset(avr_machine *m)
{
    m->usart_ucsra = m->usart_ucsrb = 0;
    m->usart_ucsrc = 0x06;
    m->usart_ubrr = 0;
    m->usart_tx_full = m->usart_tx_busy = m->usart_rx_count = m->usart_rx_overrun = m->usart_rx_held = 0;
}
