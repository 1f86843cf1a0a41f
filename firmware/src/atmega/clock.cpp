// Timer 1 in CTC mode (DS40002061B section 16.9.2). Timer 0's millisecond interrupt is off, so that between readings the CPU
// wakes once in 4 s.
#include "clock.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <util/atomic.h>
#include <util/delay_basic.h>

#include "pins.h"

namespace clock {
namespace {

volatile uint32_t tick_count;
volatile bool alarm_rang;

// Deep sleep. Timer 1 stands still in it; the watchdog's oscillator, which goes on, is within 10 % of 128 kHz and drifts, so
// its period is measured against Timer 1 again and again.
const uint8_t PERIODS_A_MEASUREMENT = 32;
const uint8_t START_UP_COUNTS = 16;  // 16K CK (table 9-4) until the clock runs again
volatile bool period_is_over, line_fell;
Counts period;                        // 0: never measured
uint8_t periods = PERIODS_A_MEASUREMENT;

// Time went by that Timer 1 did not see. It is not set while a tick is near, which would come between reading and writing,
// nor to the last count before one, since a write hides a match on the next count (16.7.3).
void advance(Counts counts)
{
    for (bool done = false; !done;) {
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
        {
            uint32_t count = TCNT1;
            done = count < COUNTS_PER_TICK - 2;
            if (done) {
                for (count += counts; count >= COUNTS_PER_TICK; count -= COUNTS_PER_TICK) tick_count++;
                TCNT1 = static_cast<uint16_t>(count < COUNTS_PER_TICK - 1 ? count : COUNTS_PER_TICK - 2);
            }
        }
    }
}

}  // namespace

ISR(TIMER1_COMPA_vect) { tick_count++; }

ISR(TIMER1_COMPB_vect)
{
    alarm_rang = true;
    TIMSK1 &= static_cast<uint8_t>(~_BV(OCIE1B));
}

// Its own enable bit is cleared by then: WDE is set, and the next time-out is a reset (section 11.9.2).
ISR(WDT_vect) { period_is_over = true; }

ISR(RXD_CHANGE_vect)
{
    PCICR = 0;
    line_fell = true;
}

void begin(uint16_t first_tick_ms)
{
    TIMSK0 = 0;  // Arduino's millisecond tick
    TCCR0B = 0;
    TCCR2B = 0;
    TCCR1A = 0;
    TCCR1B = 0;
    OCR1A = COUNTS_PER_TICK - 1;
    TCNT1 = static_cast<uint16_t>(COUNTS_PER_TICK - from_ms(first_tick_ms));
    TIFR1 = _BV(OCF1A) | _BV(OCF1B);
    TIMSK1 = _BV(OCIE1A);
    TCCR1B = _BV(WGM12) | _BV(CS12) | _BV(CS10);
    set_sleep_mode(SLEEP_MODE_IDLE);
}

Counts now()
{
    uint32_t ticks_now;
    uint16_t count;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        count = TCNT1;
        ticks_now = tick_count;
        // The tick's interrupt may be waiting behind this block.
        if ((TIFR1 & _BV(OCF1A)) && count < COUNTS_PER_TICK / 2) ticks_now++;
    }
    return ticks_now * COUNTS_PER_TICK + count;
}

uint32_t ticks()
{
    uint32_t result;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { result = tick_count; }
    return result;
}

void sleep_until_event()
{
    sleep_enable();
    sei();
    sleep_cpu();  // the instruction after SEI runs before any interrupt: no wake-up is missed
    sleep_disable();
}

bool sleep_deep()
{
    const bool measuring = periods == PERIODS_A_MEASUREMENT;
    const Counts begun = now();
    period_is_over = line_fell = false;
    wdt_reset();
    WDTCSR |= _BV(WDIE);
    if (!measuring) {
        RXD_CHANGE_MASK = _BV(RXD_CHANGE_BIT);  // a start bit wakes the CPU, a millisecond later
        PCIFR = _BV(RXD_CHANGE_FLAG);
        PCICR = _BV(RXD_CHANGE_ENABLE);
        set_sleep_mode(SLEEP_MODE_PWR_DOWN);
    }
    for (;;) {
        cli();
        if (period_is_over) break;
        if (line_fell) set_sleep_mode(SLEEP_MODE_IDLE);  // what comes now is heard
        sleep_until_event();
    }
    sei();
    PCICR = 0;
    set_sleep_mode(SLEEP_MODE_IDLE);
    const Counts seen = now() - begun;
    if (measuring) {
        period = seen;
        periods = 0;
    } else {
        const Counts whole = period + (line_fell ? 0 : START_UP_COUNTS);
        if (whole > seen) advance(whole - seen);  // not where the period was longer than the measured one: time never goes back
        periods++;
    }
    return line_fell;
}

void sleep_ms(uint16_t ms)
{
    Counts deadline = now() + from_ms(ms);
    while (!reached(deadline)) {
        Counts left = deadline - now();
        if (left < 4 || left > COUNTS_PER_TICK) {
            if (left > COUNTS_PER_TICK) return;
            continue;
        }
        cli();
        alarm_rang = false;
        uint16_t at = static_cast<uint16_t>(TCNT1 + left);
        OCR1B = static_cast<uint16_t>(at >= COUNTS_PER_TICK ? at - COUNTS_PER_TICK : at);
        TIFR1 = _BV(OCF1B);
        TIMSK1 |= _BV(OCIE1B);
        if (!alarm_rang) sleep_until_event();
        sei();
    }
}

void wait_us(uint16_t us) { _delay_loop_2(static_cast<uint16_t>(us * (F_CPU / 1000000UL / 4))); }

}  // namespace clock
