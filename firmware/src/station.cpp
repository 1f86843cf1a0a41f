#include "station.h"

#include <Arduino.h>

#include "clock.h"
#include "events.h"
#include "poster.h"
#include "sampler.h"
#include "storage.h"

namespace station {
namespace {

const uint8_t ATTEMPTS_A_ROUND = 3;
const uint16_t RETRY_MS = 1000;  // doubled with each attempt of a round
const uint8_t AGE_FROM_S = 10;   // younger readings carry no age

const pk::Config *config;
pk::Journal &journal = storage::journal();
Counts counted;
uint32_t boot, seq;
bool open;
uint8_t round_attempts, attempts;  // in this round; for the oldest reading
clock::Counts retry_at;

void say_dropped(const pk::Reading &reading, const char *flash_reason, uint16_t status)
{
    counted.dropped++;
    events::Line(PSTR("dropped"))
        .key(reading.boot, reading.seq)
        .named(PSTR("reason"), flash_reason)
        .count(PSTR("status"), status);
}

// The oldest reading's fate after an attempt.
void settle(const pk::Reading &reading, const poster::Attempt &attempt)
{
    const bool delivered = attempt.outcome == poster::DELIVERED;
    if (attempt.outcome == poster::REFUSED) {
        say_dropped(reading, poster::reason(attempt.outcome), attempt.status);
        journal.drop();
    } else {
        events::Line line(delivered ? PSTR("delivered") : PSTR("undelivered"));
        line.key(reading.boot, reading.seq);
        if (!delivered) line.named(PSTR("reason"), poster::reason(attempt.outcome));
        line.count(PSTR("status"), attempt.status).count(PSTR("attempts"), attempts);
        if (!delivered) {
            retry_at = clock::now() + (clock::from_ms(RETRY_MS) << round_attempts);
            round_attempts++;
            open = round_attempts < ATTEMPTS_A_ROUND;
            return;
        }
        counted.delivered++;
        journal.pop();
    }
    round_attempts = attempts = 0;
    open = journal.waiting() > 0;
}

poster::Attempt deliver()
{
    const pk::Reading reading = journal.oldest();
    if (attempts < UINT8_MAX) attempts++;
    const uint32_t age_s = journal.oldest_age_ticks(clock::ticks()) * clock::SECONDS_PER_TICK;
    const poster::Attempt attempt = poster::post(*config, reading, age_s >= AGE_FROM_S ? age_s : 0, attempts);
    settle(reading, attempt);
    return attempt;
}

// Rather than the reading that was just taken, the one that has waited longest goes.
void make_room()
{
    if (!journal.full()) return;
    say_dropped(journal.oldest(), PSTR("full"), 0);
    journal.drop();
    attempts = 0;
}

}  // namespace

void begin(const pk::Config &with, uint32_t boot_number)
{
    config = &with;
    boot = boot_number;
    open = journal.waiting() > 0;
}

bool take()
{
    pk::Reading reading = {boot, seq + 1, clock::ticks(), 0, 0, 0};
    if (!sampler::take(&reading)) return false;
    seq++;
    counted.taken++;
    make_room();
    const bool stored = journal.append(reading);
    {
        events::Line line(PSTR("taken"));
        line.key(boot, seq).field(PSTR("temperature")).tenths(reading.temperature_tenths);
        line.count(PSTR("humidity"), reading.humidity).count(PSTR("light"), reading.light);
    }
    if (!stored) say_dropped(reading, PSTR("storage"), 0);
    open = journal.waiting() > 0;
    round_attempts = 0;
    retry_at = clock::now();
    return true;
}

void deliver_due()
{
    while (open && clock::reached(retry_at)) deliver();
}

bool round_open() { return open; }

bool post_now(uint32_t *taken_seq, uint16_t *status)
{
    if (!take()) return false;
    *taken_seq = seq;
    *status = 0;
    for (bool going = true; going && journal.waiting();) {
        const poster::Attempt attempt = deliver();
        going = attempt.outcome == poster::DELIVERED || attempt.outcome == poster::REFUSED;
        *status = attempt.status;
    }
    return true;
}

const Counts &counts() { return counted; }

uint8_t waiting() { return journal.waiting(); }

}  // namespace station
