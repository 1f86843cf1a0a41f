/* Timers 0, 1, 2 (chapters 15–18). Counters are brought up to date when somebody looks (avr_timer_sync) or
 * when something that can be seen from outside happens (avr_timer_event): never tick by tick.
 *
 * OCFx is set on the tick on which the counter leaves the compare value (figure 15-10), TOV on the tick on
 * which it wraps (figure 15-9), in phase correct modes when it reaches BOTTOM (figure 15-7). */
#include "machine.h"

enum { TOV = 1, OCFA = 2, OCFB = 4, ICF = 0x20 };
enum { UP, FAST_PWM, PHASE };            /* how the counter runs */
enum { UPDATE_NOW, UPDATE_BOTTOM, UPDATE_TOP }; /* when OCRx takes its buffer */

typedef struct {
    uint16_t max, top;
    uint8_t run, update;
    uint8_t top_is_icr, top_is_ocra;
    uint32_t divisor; /* 0: stopped */
    int8_t external;  /* 1 rising, -1 falling edge of Tn */
} config;

static uint8_t wgm_of(const avr_timer *t, int n)
{
    if (n == 1) return (uint8_t)((t->tccra & 3) | ((t->tccrb >> 1) & 0x0C));
    return (uint8_t)((t->tccra & 3) | ((t->tccrb >> 1) & 4));
}

static config config_of(const avr_machine *m, int n)
{
    static const uint16_t divisors[8] = {0, 1, 8, 64, 256, 1024, 0, 0};
    static const uint16_t divisors2[8] = {0, 1, 8, 32, 64, 128, 256, 1024};
    static const uint8_t prr_bit[3] = {0x20, 0x08, 0x40};
    const avr_timer *t = &m->timer[n];
    config c = {.max = n == 1 ? 0xFFFF : 0xFF};
    uint8_t wgm = wgm_of(t, n);
    c.top = c.max;
    if (n == 1) { /* table 16-4 */
        static const uint16_t fixed[4] = {0xFFFF, 0xFF, 0x1FF, 0x3FF};
        if (wgm < 8 && wgm != 4) c.top = fixed[wgm & 3];
        c.top_is_icr = wgm == 8 || wgm == 10 || wgm == 12 || wgm == 14;
        c.top_is_ocra = wgm == 4 || wgm == 9 || wgm == 11 || wgm == 15;
        if ((wgm >= 5 && wgm <= 7) || wgm >= 14) c.run = FAST_PWM, c.update = UPDATE_BOTTOM;
        if (wgm == 1 || wgm == 2 || wgm == 3 || wgm == 10 || wgm == 11) c.run = PHASE, c.update = UPDATE_TOP;
        if (wgm == 8 || wgm == 9) c.run = PHASE, c.update = UPDATE_BOTTOM;
    } else { /* tables 15-8, 18-8 */
        c.top_is_ocra = wgm == 2 || wgm == 5 || wgm == 7;
        if (wgm == 3 || wgm == 7) c.run = FAST_PWM, c.update = UPDATE_BOTTOM;
        if (wgm == 1 || wgm == 5) c.run = PHASE, c.update = UPDATE_TOP;
    }
    if (c.top_is_icr) c.top = t->icr;
    if (c.top_is_ocra) c.top = t->ocr[0];
    uint8_t cs = t->tccrb & 7;
    c.divisor = n == 2 ? divisors2[cs] : divisors[cs];
    if (n != 2 && cs >= 6) c.external = cs == 7 ? 1 : -1;
    uint8_t hold = n == 2 ? 0x02 : 0x01;
    if ((m->data[R_GTCCR] & 0x80) && (m->data[R_GTCCR] & hold)) c.divisor = 0; /* 17.4.1: TSM halts */
    if (m->data[R_PRR] & prr_bit[n]) c.divisor = 0, c.external = 0;
    return c;
}

/* COMnx as it works in this mode (tables 15-2 to 15-7, 16-1 to 16-3): in PWM modes 1 toggles OCnA where OCRnA is
 * TOP (Timer 1: or in mode 14), and else leaves the pin to its port. */
static int output_mode(const avr_timer *t, int n, int channel, const config *c)
{
    int com = (t->tccra >> (channel ? 4 : 6)) & 3;
    if (com != 1 || c->run == UP) return com;
    int toggles = channel == 0 && (n == 1 ? wgm_of(t, n) == 14 || c->top_is_ocra : c->top_is_ocra);
    return toggles ? 1 : 0;
}

static void set_oc_pin(avr_machine *m, int n, int channel)
{
    static const uint8_t port[3][2] = {{2, 2}, {0, 0}, {0, 2}}, bit[3][2] = {{6, 5}, {1, 2}, {3, 3}};
    const avr_timer *t = &m->timer[n];
    config c = config_of(m, n);
    int connected = output_mode(t, n, channel, &c) != 0;
    avr_gpio_oc(m, port[n][channel], bit[n][channel], connected, (t->oc_level >> channel) & 1);
}

static void oc_level(avr_machine *m, int n, int channel, int level)
{
    avr_timer *t = &m->timer[n];
    t->oc_level = (uint8_t)(level ? t->oc_level | 1u << channel : t->oc_level & ~(1u << channel));
    set_oc_pin(m, n, channel);
}

/* A compare match on the tick that leaves `at`. Where the compare value is TOP or BOTTOM, the direction is the
 * one after the turn, so that the output is constant (15.7.4); in fast PWM, BOTTOM wins over a match at TOP. */
static void compare_output(avr_machine *m, int n, int channel, const config *c)
{
    avr_timer *t = &m->timer[n];
    int com = output_mode(t, n, channel, c), level = (t->oc_level >> channel) & 1;
    if (com == 0) return;
    if (com == 1) {
        oc_level(m, n, channel, !level);
    } else if (c->run == PHASE) {
        int down = t->down ? t->tcnt != 0 : t->tcnt >= c->top;
        oc_level(m, n, channel, (com == 2) == down);
    } else if (c->run == UP || t->tcnt != c->top) {
        oc_level(m, n, channel, com == 3);
    }
}

static void pwm_bottom(avr_machine *m, int n)
{
    for (int channel = 0; channel < 2; channel++) {
        int com = (m->timer[n].tccra >> (channel ? 4 : 6)) & 3; /* 1 toggles on the match alone */
        if (com >= 2) oc_level(m, n, channel, com == 2);
    }
}

static void take_buffers(avr_timer *t) { t->ocr[0] = t->ocr_buffer[0], t->ocr[1] = t->ocr_buffer[1]; }

/* One tick of the counter, with everything that belongs to it. */
static void tick(avr_machine *m, int n, config *c)
{
    avr_timer *t = &m->timer[n];
    uint16_t at = t->tcnt;
    if (!t->match_blocked) {
        for (int channel = 0; channel < 2; channel++)
            if (at == t->ocr[channel]) {
                t->tifr |= (uint8_t)(OCFA << channel);
                compare_output(m, n, channel, c);
            }
    }
    t->match_blocked = 0;
    if (c->run == PHASE) {
        if (!t->down && at >= c->top) {
            t->down = 1;
            if (c->top_is_icr) t->tifr |= ICF;
            if (c->update == UPDATE_TOP) take_buffers(t);
        } else if (t->down && at == 0) {
            t->down = 0;
        }
        t->tcnt = (uint16_t)(t->down ? (at ? at - 1 : 0) : at + 1);
        if (c->top == 0) t->tcnt = 0;
        if (t->down && t->tcnt == 0) {
            t->tifr |= TOV;
            if (c->update == UPDATE_BOTTOM) take_buffers(t);
        }
    } else if (at == c->top || at == c->max) {
        t->tcnt = 0;
        if (at == c->top && c->top_is_icr) t->tifr |= ICF;
        if (c->run == FAST_PWM || at == c->max) t->tifr |= TOV;
        if (c->run == FAST_PWM) take_buffers(t), pwm_bottom(m, n);
    } else {
        t->tcnt = (uint16_t)(at + 1);
    }
    if (c->top_is_ocra) c->top = t->ocr[0];
}

/* Ticks until the counter stands on the next value at which a tick does more than count. */
static uint32_t quiet_ticks(const avr_timer *t, const config *c)
{
    uint16_t at = t->tcnt;
    if (t->match_blocked) return 0;
    if (c->run == PHASE && t->down) {
        uint32_t quiet = at > 1 ? (uint32_t)at - 1 : 0; /* the tick that reaches BOTTOM sets TOV */
        for (int i = 0; i < 2; i++)
            if (t->ocr[i] <= at && (uint32_t)(at - t->ocr[i]) < quiet) quiet = (uint32_t)(at - t->ocr[i]);
        return quiet;
    }
    uint32_t quiet = at <= c->top ? (uint32_t)(c->top - at) : c->run == PHASE ? 0 : (uint32_t)(c->max - at);
    for (int i = 0; i < 2; i++)
        if (t->ocr[i] >= at && (uint32_t)(t->ocr[i] - at) < quiet) quiet = (uint32_t)(t->ocr[i] - at);
    return quiet;
}

static void count(avr_machine *m, int n, uint64_t ticks)
{
    config c = config_of(m, n);
    avr_timer *t = &m->timer[n];
    while (ticks) {
        uint32_t quiet = quiet_ticks(t, &c);
        if (quiet >= ticks) {
            t->tcnt = (uint16_t)(c.run == PHASE && t->down ? t->tcnt - ticks : t->tcnt + ticks);
            return;
        }
        t->tcnt = (uint16_t)(c.run == PHASE && t->down ? t->tcnt - quiet : t->tcnt + quiet);
        tick(m, n, &c);
        ticks -= quiet + 1;
    }
}

/* Nothing new happens after the first rounds: flags are set, buffers taken, and outputs that toggle are scheduled
 * one by one (schedule), so they never come here in bulk. What is left is the place within the period. */
static void advance(avr_machine *m, int n, uint64_t ticks)
{
    config c = config_of(m, n);
    uint64_t settle = 4 * ((uint64_t)c.max + 1);
    if (ticks > settle) {
        count(m, n, settle);
        ticks -= settle;
        c = config_of(m, n);
        uint64_t period = c.run == PHASE ? 2u * c.top : (uint64_t)c.top + 1;
        ticks %= period ? period : 1;
    }
    count(m, n, ticks);
}

static uint64_t tick_index(const avr_timer *t, const config *c, uint64_t io_cycle)
{
    return (io_cycle - t->prescaler_base) / c->divisor;
}

void avr_timer_sync(avr_machine *m, int n)
{
    avr_timer *t = &m->timer[n];
    uint64_t now = io_now(m);
    config c = config_of(m, n);
    if (c.divisor && now > t->synced) {
        uint64_t ticks = tick_index(t, &c, now) - tick_index(t, &c, t->synced);
        t->synced = now;
        if (ticks) advance(m, n, ticks);
    }
    t->synced = now;
}

/* Ticks until the tick that leaves value `p` going up, NEVER where it is not reached; `blocked`: not the next. */
static uint64_t ticks_to(const avr_timer *t, const config *c, uint16_t p, int blocked)
{
    uint16_t at = t->tcnt;
    uint16_t wrap = at <= c->top ? c->top : c->max;
    if (p > wrap) return NEVER;
    if (p >= at && !(p == at && blocked)) return (uint64_t)(p - at) + 1;
    if (p > c->top) return NEVER;
    return (uint64_t)(wrap - at) + 1 + p + 1;
}

/* Combinations of mode and output that the tables call reserved. */
static int is_reserved(const avr_timer *t, int n, const config *c)
{
    uint8_t wgm = wgm_of(t, n);
    if (n == 1) return wgm == 13;
    return wgm == 4 || wgm == 6 || (c->run != UP && (t->tccra & 0x30) == 0x10);
}

static int triggers_adc(const avr_machine *m, int n, uint8_t flag)
{
    static const uint8_t source[8] = {0, 0, 0, 0 << 4 | OCFA, 0 << 4 | TOV, 1 << 4 | OCFB, 1 << 4 | TOV, 0};
    uint8_t adts = m->data[R_ADCSRB] & 7;
    if (!(m->adc_adcsra & 0x20)) return 0;
    if (adts == 7) return n == 1 && flag == ICF;
    return adts >= 3 && source[adts] == (n << 4 | flag);
}

static void schedule(avr_machine *m, int n)
{
    avr_timer *t = &m->timer[n];
    config c = config_of(m, n);
    uint64_t ticks = NEVER;
    if (c.divisor) {
        uint8_t wanted = t->timsk;
        for (uint8_t flag = 1; flag; flag = (uint8_t)(flag << 1))
            if (triggers_adc(m, n, flag)) wanted |= flag;
        if (t->tccra & 0xC0) wanted |= OCFA;
        if (t->tccra & 0x30) wanted |= OCFB;
        if (c.run != UP && (t->tccra & 0xF0)) wanted |= TOV;
        if (wanted && c.run == PHASE) {
            ticks = (uint64_t)quiet_ticks(t, &c) + 1;
        } else if (wanted) {
            uint64_t candidates[5] = {NEVER, NEVER, NEVER, NEVER, NEVER};
            if (wanted & OCFA) candidates[0] = ticks_to(t, &c, t->ocr[0], t->match_blocked);
            if (wanted & OCFB) candidates[1] = ticks_to(t, &c, t->ocr[1], t->match_blocked);
            if (wanted & TOV) candidates[2] = ticks_to(t, &c, c.run == FAST_PWM ? c.top : c.max, 0);
            if ((wanted & ICF) && c.top_is_icr) candidates[3] = ticks_to(t, &c, c.top, 0);
            if (t->ocr[0] != t->ocr_buffer[0] || t->ocr[1] != t->ocr_buffer[1]) candidates[4] = ticks_to(t, &c, c.top, 0);
            for (int i = 0; i < 5; i++)
                if (candidates[i] < ticks) ticks = candidates[i];
        }
    }
    uint64_t due = NEVER;
    if (ticks != NEVER)
        due = (tick_index(t, &c, t->synced) + ticks) * c.divisor + t->prescaler_base + m->io_stopped;
    if (due != m->due[EV_TIMER0 + n]) avr_schedule(m, EV_TIMER0 + n, due);
}

static void changed(avr_machine *m, int n, uint8_t flags_before, uint64_t at)
{
    uint8_t fresh = (uint8_t)(m->timer[n].tifr & ~flags_before);
    for (uint8_t flag = 1; fresh && flag; flag = (uint8_t)(flag << 1))
        if ((fresh & flag) && triggers_adc(m, n, flag)) avr_adc_trigger(m, at);
    if (fresh & m->timer[n].timsk) m->resched = 1;
    schedule(m, n);
}

void avr_timer_event(avr_machine *m, int n)
{
    uint8_t before = m->timer[n].tifr;
    uint64_t at = m->due[EV_TIMER0 + n] < m->cycles ? m->due[EV_TIMER0 + n] : m->cycles;
    m->due[EV_TIMER0 + n] = NEVER;
    avr_timer_sync(m, n);
    changed(m, n, before, at);
}

void avr_timer_external_edge(avr_machine *m, int n, int rising)
{
    config c = config_of(m, n);
    if (c.external != (rising ? 1 : -1)) return;
    uint8_t before = m->timer[n].tifr;
    tick(m, n, &c);
    changed(m, n, before, m->cycles);
}

void avr_timer_capture_edge(avr_machine *m, int rising)
{
    avr_timer *t = &m->timer[1];
    config c = config_of(m, 1);
    if (((t->tccrb >> 6) & 1) != rising || c.top_is_icr) return; /* ICES1; ICR1 may be TOP instead */
    uint8_t before = t->tifr;
    avr_timer_sync(m, 1);
    t->icr = t->tcnt;
    t->tifr |= ICF;
    changed(m, 1, before, m->cycles);
}

void avr_timer_irq_taken(avr_machine *m, int vector)
{
    switch (vector) {
    case VECT_T2_COMPA: m->timer[2].tifr &= (uint8_t)~OCFA; break;
    case VECT_T2_COMPB: m->timer[2].tifr &= (uint8_t)~OCFB; break;
    case VECT_T2_OVF: m->timer[2].tifr &= (uint8_t)~TOV; break;
    case VECT_T1_CAPT: m->timer[1].tifr &= (uint8_t)~ICF; break;
    case VECT_T1_COMPA: m->timer[1].tifr &= (uint8_t)~OCFA; break;
    case VECT_T1_COMPB: m->timer[1].tifr &= (uint8_t)~OCFB; break;
    case VECT_T1_OVF: m->timer[1].tifr &= (uint8_t)~TOV; break;
    case VECT_T0_COMPA: m->timer[0].tifr &= (uint8_t)~OCFA; break;
    case VECT_T0_COMPB: m->timer[0].tifr &= (uint8_t)~OCFB; break;
    case VECT_T0_OVF: m->timer[0].tifr &= (uint8_t)~TOV; break;
    default: break;
    }
}

static int timer_of(uint16_t address)
{
    if (address == R_TIFR0 || address == R_TIMSK0 || (address >= R_TCCR0A && address <= R_OCR0B)) return 0;
    if (address == R_TIFR2 || address == R_TIMSK2 || (address >= R_TCCR2A && address <= R_OCR2B)) return 2;
    return 1;
}

uint8_t avr_timer_read(avr_machine *m, uint16_t address)
{
    int n = timer_of(address);
    avr_timer *t = &m->timer[n];
    uint8_t before = t->tifr;
    avr_timer_sync(m, n);
    if (t->tifr != before) changed(m, n, before, m->cycles);
    switch (address) {
    case R_TIFR0: case R_TIFR1: case R_TIFR2: return t->tifr;
    case R_TIMSK0: case R_TIMSK1: case R_TIMSK2: return t->timsk;
    case R_TCCR0A: case R_TCCR1A: case R_TCCR2A: return t->tccra;
    case R_TCCR0B: case R_TCCR1B: case R_TCCR2B: return t->tccrb;
    case R_TCNT0: case R_TCNT2: return (uint8_t)t->tcnt;
    case R_OCR0A: case R_OCR2A: return (uint8_t)t->ocr_buffer[0];
    case R_OCR0B: case R_OCR2B: return (uint8_t)t->ocr_buffer[1];
    /* 16.3: reading the low byte latches the high byte; OCR1x is read without the latch */
    case R_TCNT1L: t->temp = (uint8_t)(t->tcnt >> 8); return (uint8_t)t->tcnt;
    case R_ICR1L: t->temp = (uint8_t)(t->icr >> 8); return (uint8_t)t->icr;
    case R_TCNT1H: case R_ICR1H: return t->temp;
    case R_OCR1AL: return (uint8_t)t->ocr_buffer[0];
    case R_OCR1AH: return (uint8_t)(t->ocr_buffer[0] >> 8);
    case R_OCR1BL: return (uint8_t)t->ocr_buffer[1];
    case R_OCR1BH: return (uint8_t)(t->ocr_buffer[1] >> 8);
    default: return 0; /* TCCR1C reads as zero */
    }
}

static void write_ocr(avr_machine *m, int n, int channel, uint16_t value)
{
    avr_timer *t = &m->timer[n];
    t->ocr_buffer[channel] = value;
    if (config_of(m, n).update == UPDATE_NOW) t->ocr[channel] = value;
}

static void write_tcnt(avr_timer *t, uint16_t value)
{
    t->tcnt = value;
    t->match_blocked = 1;
}

static void force_compare(avr_machine *m, int n, uint8_t value)
{
    config c = config_of(m, n);
    if (c.run != UP) return; /* FOC bits work in non-PWM modes only */
    if (value & 0x80) compare_output(m, n, 0, &c);
    if (value & 0x40) compare_output(m, n, 1, &c);
}

void avr_timer_write(avr_machine *m, uint16_t address, uint8_t value)
{
    int n = timer_of(address);
    avr_timer *t = &m->timer[n];
    uint8_t before = t->tifr;
    avr_timer_sync(m, n);
    switch (address) {
    case R_TIFR0: case R_TIFR1: case R_TIFR2: t->tifr &= (uint8_t)~value; before = t->tifr; break;
    case R_TIMSK0: case R_TIMSK2: t->timsk = value & 7; m->resched = 1; break;
    case R_TIMSK1: t->timsk = value & 0x27; m->resched = 1; break;
    case R_TCCR0A: case R_TCCR1A: case R_TCCR2A:
        t->tccra = value & 0xF3;
        break;
    case R_TCCR0B: case R_TCCR2B:
        t->tccrb = value & 0x0F;
        force_compare(m, n, value & 0xC0);
        break;
    case R_TCCR1B:
        if (value & 0x80) avr_fault(m, AVR_FAULT_REGISTER, address); /* ICNC1: the noise canceller */
        t->tccrb = value & 0x5F;
        break;
    case R_TCCR1C: force_compare(m, n, value & 0xC0); break;
    case R_TCNT0: case R_TCNT2: write_tcnt(t, value); break;
    case R_OCR0A: case R_OCR2A: write_ocr(m, n, 0, value); break;
    case R_OCR0B: case R_OCR2B: write_ocr(m, n, 1, value); break;
    case R_TCNT1H: case R_ICR1H: case R_OCR1AH: case R_OCR1BH: t->temp = value; break;
    case R_TCNT1L: write_tcnt(t, (uint16_t)(t->temp << 8 | value)); break;
    case R_OCR1AL: write_ocr(m, 1, 0, (uint16_t)(t->temp << 8 | value)); break;
    case R_OCR1BL: write_ocr(m, 1, 1, (uint16_t)(t->temp << 8 | value)); break;
    case R_ICR1L:
        if (config_of(m, 1).top_is_icr) t->icr = (uint16_t)(t->temp << 8 | value); /* 16.11.7 */
        break;
    default: break;
    }
    config c = config_of(m, n);
    if (c.run != PHASE) t->down = 0;
    if (c.update == UPDATE_NOW) take_buffers(t);
    if (t->tccrb & 7 && is_reserved(t, n, &c)) avr_fault(m, AVR_FAULT_REGISTER, address);
    set_oc_pin(m, n, 0), set_oc_pin(m, n, 1);
    changed(m, n, before, m->cycles);
}

void avr_timer_reset(avr_machine *m)
{
    for (int n = 0; n < 3; n++) {
        memset(&m->timer[n], 0, sizeof m->timer[n]);
        m->timer[n].synced = m->timer[n].prescaler_base = io_now(m);
    }
}
