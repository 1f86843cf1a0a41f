/* ADC (chapter 24): sample-and-hold after 1.5 ADC clocks (13.5 in the first conversion, 2 when triggered),
 * result after 13 (25, 13.5). The voltage comes from outside as a 10-bit code. */
#include "machine.h"

enum { ADEN = 0x80, ADSC = 0x40, ADATE = 0x20, ADIF = 0x10, ADIE = 0x08 };

static uint32_t divisor(const avr_machine *m)
{
    uint8_t ps = m->adc_adcsra & 7;
    return ps ? 1u << ps : 2u;
}

/* Times in half ADC clocks. */
static void convert(avr_machine *m, uint64_t start, uint32_t sample_halves, uint32_t done_halves)
{
    uint64_t half = divisor(m) / 2;
    m->adc_busy = 1;
    m->adc_adcsra |= ADSC;
    m->adc_channel = m->data[R_ADMUX]; /* 24.5: selection is taken when the conversion starts */
    avr_schedule(m, EV_ADC_SAMPLE, start + sample_halves * half);
    avr_schedule(m, EV_ADC_DONE, start + done_halves * half);
}

/* Begin at the first rising edge of the ADC clock at or after `at`; its prescaler counts from ADEN (24.4). */
static void start(avr_machine *m, uint64_t at)
{
    uint64_t clock = divisor(m);
    uint64_t edge = m->adc_clock_base + (at - m->adc_clock_base + clock - 1) / clock * clock;
    if (m->adc_first) {
        m->adc_first = 0;
        convert(m, edge, 27, 50);
    } else {
        convert(m, edge, 3, 26);
    }
}

void avr_adc_trigger(avr_machine *m, uint64_t at)
{
    if ((m->adc_adcsra & (ADEN | ADATE)) != (ADEN | ADATE) || m->adc_busy) return;
    m->adc_clock_base = at; /* 24.4: the prescaler is reset by the trigger */
    if (m->adc_first)
        start(m, at);
    else
        convert(m, at, 4, 27); /* table 24-1 */
}

void avr_adc_sleep_start(avr_machine *m)
{
    if ((m->adc_adcsra & ADEN) && !m->adc_busy) start(m, m->cycles); /* 24.6 */
}

/* The modes deeper than ADC noise reduction stop clkADC. */
void avr_adc_clock_stopped(avr_machine *m, uint64_t cycles) { m->adc_clock_base += cycles; }

void avr_adc_sample_event(avr_machine *m)
{
    m->due[EV_ADC_SAMPLE] = NEVER;
    m->adc_reply = 0;
    avr_want_stop(m, AVR_STOP_ADC);
}

AVR_EXPORT void avr_adc_reply(avr_machine *m, uint16_t code) { m->adc_reply = code > 1023 ? 1023 : code; }

void avr_adc_done_event(avr_machine *m)
{
    uint64_t at = m->due[EV_ADC_DONE];
    m->due[EV_ADC_DONE] = NEVER;
    m->adc_busy = 0;
    if (!m->adc_latch) m->adc_result = m->adc_reply; /* 24.9.3: ADCL read locks the registers */
    m->adc_adcsra = (uint8_t)((m->adc_adcsra & ~ADSC) | ADIF);
    if ((m->adc_adcsra & ADATE) && (m->data[R_ADCSRB] & 7) == 0) start(m, at); /* free running */
}

uint8_t avr_adc_read(avr_machine *m, uint16_t address)
{
    uint16_t shown = (m->data[R_ADMUX] & 0x20) ? (uint16_t)(m->adc_result << 6) : m->adc_result;
    if (address == R_ADCSRA) return m->adc_adcsra;
    if (address == R_ADCL) {
        m->adc_latch = 1;
        return (uint8_t)shown;
    }
    m->adc_latch = 0;
    return (uint8_t)(shown >> 8);
}

void avr_adc_write(avr_machine *m, uint16_t address, uint8_t value)
{
    (void)address;
    if (m->data[R_PRR] & 0x01) return; /* PRADC */
    uint8_t was_on = m->adc_adcsra & ADEN, keep = m->adc_adcsra & ADSC;
    uint8_t flag = (uint8_t)(m->adc_adcsra & ADIF & ~value);
    m->adc_adcsra = (uint8_t)((value & (ADEN | ADATE | ADIE | 7)) | flag | keep);
    m->resched = 1;
    if (!(value & ADEN)) {
        m->adc_adcsra &= (uint8_t)~ADSC;
        m->adc_busy = 0;
        m->due[EV_ADC_SAMPLE] = NEVER;
        avr_schedule(m, EV_ADC_DONE, NEVER);
        return;
    }
    if (!was_on) m->adc_first = 1, m->adc_clock_base = m->cycles;
    if ((value & ADSC) && !m->adc_busy) start(m, m->cycles);
    for (int n = 0; n < 3; n++) avr_timer_event(m, n); /* a timer may be its trigger now */
}

void avr_adc_reset(avr_machine *m)
{
    m->adc_adcsra = 0;
    m->adc_busy = m->adc_latch = 0;
    m->adc_first = 1;
    m->adc_result = 0;
}
