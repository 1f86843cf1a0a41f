#include "station.h"

#include <Arduino.h>

#include "address.h"
#include "backoff.h"
#include "clock.h"
#include "events.h"
#include "poster.h"
#include "sampler.h"
#include "state.h"
#include "storage.h"
#include "transport.h"

namespace station {
namespace {

const uint8_t AGE_FROM_S = 10;   // younger readings carry no age

const pk::Config *config;
pk::Journal &journal = storage::journal();
Counts counted;
uint32_t boot, seq;
uint8_t attempts;  // for the oldest reading, since this boot
pk::Backoff backoff;
clock::Counts retry_at;
bool cut_off;  // the last attempt found no link or no address: there is no need to wait longer than for them

void say_dropped(const pk::Reading &reading, const char *flash_reason, uint16_t status)
{
    counted.dropped++;
    events::Line(PSTR("dropped"), events::ERROR)
        .key(reading.boot, reading.seq)
        .named(PSTR("reason"), flash_reason)
        .count(PSTR("status"), status)
        .count(PSTR("drops"), counted.dropped);
}

// The oldest reading's fate after an attempt.
void settle(const pk::Reading &reading, const poster::Attempt &attempt)
{
    const bool delivered = attempt.outcome == poster::DELIVERED;
    if (attempt.outcome == poster::REFUSED) {
        say_dropped(reading, poster::reason(attempt.outcome), attempt.status);
        storage::drop();
    } else {
        events::Line line(delivered ? PSTR("delivered") : PSTR("undelivered"), delivered ? events::INFO : events::WARNING);
        line.key(reading.boot, reading.seq);
        if (!delivered) line.named(PSTR("reason"), poster::reason(attempt.outcome));
        line.count(PSTR("status"), attempt.status).count(PSTR("attempts"), attempts);
        if (!delivered) {
            if (attempt.outcome == poster::UNAUTHORISED) backoff.despair();
            retry_at = clock::now() + clock::from_ms(backoff.fail_ms(attempt.retry_after_s));
            return;
        }
        counted.delivered++;
        storage::pop();
    }
    backoff.succeed();
    attempts = 0;
    retry_at = clock::now();
}

poster::Attempt attempt_oldest()
{
    const pk::Reading reading = journal.oldest();
    poster::Attempt attempt = {poster::NO_LINK, 0, 0};
    if (attempts < UINT8_MAX) attempts++;
    state::enter(pk::STATE_LINK_UP);
    if (transport::link_is_up() && !address::is_there()) {
        attempt.outcome = poster::NO_ADDRESS;
    } else if (transport::link_is_up()) {
        state::enter(pk::STATE_SEND);
        const uint32_t age_s = journal.oldest_age_ticks(clock::ticks()) * clock::SECONDS_PER_TICK;
        attempt = poster::post(*config, reading, age_s >= AGE_FROM_S ? age_s : 0, attempts);
    }
    cut_off = attempt.outcome == poster::NO_LINK || attempt.outcome == poster::NO_ADDRESS;
    settle(reading, attempt);
    return attempt;
}

// Rather than the reading that was just taken, the one that has waited longest goes.
void make_room()
{
    if (!journal.full()) return;
    say_dropped(journal.oldest(), PSTR("full"), 0);
    storage::drop();
    attempts = 0;
}

}  // namespace

void begin(const pk::Config &with, uint32_t boot_number)
{
    config = &with;
    boot = boot_number;
    backoff.begin(pk::seed_of(with.id, boot_number));
    retry_at = clock::now();
}

bool take()
{
    state::enter(pk::STATE_SAMPLE);
    pk::Reading reading = {boot, seq + 1, clock::ticks(), 0, 0, 0};
    if (!sampler::take(&reading)) return false;
    seq++;
    counted.taken++;
    if (!journal.waiting()) retry_at = clock::now();
    make_room();
    const bool stored = storage::append(reading);
    {
        events::Line line(PSTR("taken"));
        line.key(boot, seq).field(PSTR("temperature")).tenths(reading.temperature_tenths);
        line.count(PSTR("humidity"), reading.humidity).count(PSTR("light"), reading.light);
    }
    if (!stored) say_dropped(reading, PSTR("storage"), 0);
    return true;
}

bool delivery_is_due()
{
    return journal.waiting() && (clock::reached(retry_at) || (cut_off && transport::link_is_up() && address::is_there()));
}

bool delivery_is_due_within(uint8_t seconds)
{
    return journal.waiting() && clock::reached(retry_at - clock::from_ms(seconds * 1000UL));
}

void deliver() { attempt_oldest(); }

bool post_now(uint32_t *taken_seq, uint16_t *status)
{
    if (!take()) return false;
    *taken_seq = seq;
    *status = 0;
    for (bool going = true; going && journal.waiting();) {
        const poster::Attempt attempt = attempt_oldest();
        going = attempt.outcome == poster::DELIVERED || attempt.outcome == poster::REFUSED;
        *status = attempt.status;
    }
    return true;
}

const Counts &counts() { return counted; }

uint8_t waiting() { return journal.waiting(); }

}  // namespace station
