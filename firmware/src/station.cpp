#include "station.h"

#include <Arduino.h>

#include "clock.h"
#include "events.h"
#include "poster.h"
#include "sampler.h"

namespace station {
namespace {

const uint8_t ATTEMPTS_A_ROUND = 3;
const uint16_t RETRY_MS = 1000;  // doubled with each attempt of a round
const uint8_t AGE_FROM_S = 10;   // younger readings carry no age

const pk::Config *config;
pk::ReadingQueue queue;
Counts counted;
uint32_t boot, seq;
bool open;
uint8_t round_attempts;
clock::Counts retry_at;

void say_dropped(const pk::Reading &reading, const char *flash_reason, uint16_t status)
{
    counted.dropped++;
    events::Line(PSTR("dropped"))
        .key(boot, reading.seq)
        .named(PSTR("reason"), flash_reason)
        .count(PSTR("status"), status);
}

// The oldest reading's fate after an attempt.
void settle(const poster::Attempt &attempt)
{
    pk::Reading &reading = queue.oldest();
    if (attempt.outcome == poster::DELIVERED) {
        counted.delivered++;
        events::Line(PSTR("delivered"))
            .key(boot, reading.seq)
            .count(PSTR("status"), attempt.status)
            .count(PSTR("attempts"), reading.attempts);
        queue.pop();
        round_attempts = 0;
    } else if (attempt.outcome == poster::REFUSED) {
        say_dropped(reading, poster::reason(attempt.outcome), attempt.status);
        queue.pop();
        round_attempts = 0;
    } else {
        events::Line(PSTR("undelivered"))
            .key(boot, reading.seq)
            .named(PSTR("reason"), poster::reason(attempt.outcome))
            .count(PSTR("status"), attempt.status)
            .count(PSTR("attempts"), reading.attempts);
        retry_at = clock::now() + (clock::from_ms(RETRY_MS) << round_attempts);
        round_attempts++;
        open = round_attempts < ATTEMPTS_A_ROUND;
    }
}

poster::Attempt deliver()
{
    pk::Reading &reading = queue.oldest();
    if (reading.attempts < UINT8_MAX) reading.attempts++;
    uint32_t age_s = (clock::ticks() - reading.taken_at) * clock::SECONDS_PER_TICK;
    const poster::Attempt attempt = poster::post(*config, boot, reading, age_s >= AGE_FROM_S ? age_s : 0);
    settle(attempt);
    if (queue.empty()) open = false;
    return attempt;
}

}  // namespace

void begin(const pk::Config &with, uint32_t boot_number)
{
    config = &with;
    boot = boot_number;
}

bool take()
{
    pk::Reading reading = {0, clock::ticks(), 0, 0, 0, 0};
    if (!sampler::take(&reading)) return false;
    reading.seq = ++seq;
    counted.taken++;
    {
        events::Line line(PSTR("taken"));
        line.key(boot, reading.seq).field(PSTR("temperature")).tenths(reading.temperature_tenths);
        line.count(PSTR("humidity"), reading.humidity).count(PSTR("light"), reading.light);
    }
    pk::Reading dropped;
    if (queue.push(reading, &dropped)) say_dropped(dropped, PSTR("full"), 0);
    open = true;
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
    poster::Attempt attempt;
    do
        attempt = deliver();
    while (!queue.empty() && (attempt.outcome == poster::DELIVERED || attempt.outcome == poster::REFUSED));
    *status = attempt.status;
    return true;
}

const Counts &counts() { return counted; }

uint8_t waiting() { return queue.size(); }

}  // namespace station
