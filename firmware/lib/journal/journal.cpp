#include "journal.h"

#include "crc16.h"

namespace pk {
namespace {

// A record, little-endian: boot (its low 16 bits), seq, tick, temperature and light (12 bits each), humidity (7) with the
// count of dropped readings (17), CRC-16, and a mark, written last, that says that the reading waits.
const uint8_t SEQ_AT = 2, TICK_AT = 5, VALUES_AT = 8, MORE_AT = 11, CRC_AT = 14, MARK_AT = 16;
const uint8_t WAITS = 0xA5, SPENT_MARK = 0, TRIES = 3;
const uint32_t MOST_DROPPED = 0x1FFFF;

uint16_t get16(const uint8_t *at) { return static_cast<uint16_t>(at[0] | at[1] << 8); }

uint32_t get24(const uint8_t *at) { return get16(at) | static_cast<uint32_t>(at[2]) << 16; }

void put16(uint8_t *at, uint16_t value)
{
    at[0] = static_cast<uint8_t>(value);
    at[1] = static_cast<uint8_t>(value >> 8);
}

void put24(uint8_t *at, uint32_t value)
{
    put16(at, static_cast<uint16_t>(value));
    at[2] = static_cast<uint8_t>(value >> 16);
}

uint32_t dropped_of(const uint8_t *record) { return get24(record + MORE_AT) >> 7; }

}  // namespace

Journal::Journal(ByteStore &store, uint16_t address, uint8_t slots)
    : store_(store), address_(address), slots_(slots), next_(0), oldest_(0), waiting_(0), boot_(0), dropped_(0)
{
}

void Journal::open(uint32_t boot)
{
    uint8_t record[JOURNAL_RECORD_BYTES];
    uint16_t newest_boots_ago = UINT16_MAX;
    uint32_t newest_seq = 0;
    boot_ = boot;
    next_ = 0;
    dropped_ = 0;
    for (uint8_t slot = 0; slot < slots_; slot++) {
        if (load(slot, record) == BROKEN) continue;
        const uint16_t boots_ago = static_cast<uint16_t>(boot - get16(record));
        const uint32_t seq = get24(record + SEQ_AT);
        if (boots_ago > newest_boots_ago || (boots_ago == newest_boots_ago && seq < newest_seq)) continue;
        newest_boots_ago = boots_ago;
        newest_seq = seq;
        next_ = after(slot);
        dropped_ = dropped_of(record);
    }
    find_oldest(after(next_));
}

bool Journal::append(const Reading &reading)
{
    uint8_t record[JOURNAL_RECORD_BYTES];
    put16(record, static_cast<uint16_t>(reading.boot));
    put24(record + SEQ_AT, reading.seq);
    put24(record + TICK_AT, reading.taken_at);
    put24(record + VALUES_AT, (static_cast<uint32_t>(reading.temperature_tenths) & 0xFFF) << 12 | (reading.light & 0xFFF));
    put24(record + MORE_AT, dropped_ << 7 | (reading.humidity & 0x7F));
    put16(record + CRC_AT, crc16(record, CRC_AT));
    record[MARK_AT] = WAITS;
    bool stored = false;
    for (uint8_t tries = 0; tries < TRIES && !stored && !full(); tries++) {
        const uint8_t slot = next_;
        for (uint8_t i = 0; i < JOURNAL_RECORD_BYTES; i++) store_.write(static_cast<uint16_t>(at(slot) + i), record[i]);
        next_ = after(slot);
        waiting_++;  // also a slot that does not hold its record; it is passed over
        uint8_t held[JOURNAL_RECORD_BYTES];
        stored = load(slot, held) == WAITING;
    }
    find_oldest(oldest_);
    return stored;
}

Reading Journal::oldest() const
{
    uint8_t record[JOURNAL_RECORD_BYTES];
    load(oldest_, record);
    return decode(record);
}

uint32_t Journal::oldest_age_ticks(uint32_t now) const
{
    uint8_t record[JOURNAL_RECORD_BYTES];
    uint32_t age = 0, boot = boot_, until = now;
    for (uint8_t slot = next_, left = waiting_; left; left--) {
        slot = before(slot);
        if (load(slot, record) != WAITING) continue;
        const Reading reading = decode(record);
        // since the boot after this one, if it is of an earlier one; else since it was taken
        age += reading.boot == boot ? until - reading.taken_at : until;
        boot = reading.boot;
        until = reading.taken_at;
    }
    return age;
}

void Journal::pop()
{
    store_.write(static_cast<uint16_t>(at(oldest_) + MARK_AT), SPENT_MARK);
    find_oldest(after(oldest_));
}

void Journal::drop()
{
    if (dropped_ < MOST_DROPPED) dropped_++;
    pop();
}

// The first record from a slot on that waits; all before it are done, torn or worn.
void Journal::find_oldest(uint8_t from)
{
    uint8_t record[JOURNAL_RECORD_BYTES];
    for (oldest_ = from; oldest_ != next_; oldest_ = after(oldest_))
        if (load(oldest_, record) == WAITING) break;
    waiting_ = static_cast<uint8_t>(next_ >= oldest_ ? next_ - oldest_ : next_ + slots_ - oldest_);
}

Journal::State Journal::load(uint8_t slot, uint8_t record[JOURNAL_RECORD_BYTES]) const
{
    for (uint8_t i = 0; i < JOURNAL_RECORD_BYTES; i++) record[i] = store_.read(static_cast<uint16_t>(at(slot) + i));
    if (get16(record + CRC_AT) != crc16(record, CRC_AT)) return BROKEN;
    return record[MARK_AT] == WAITS ? WAITING : SPENT;
}

Reading Journal::decode(const uint8_t record[JOURNAL_RECORD_BYTES]) const
{
    const uint32_t values = get24(record + VALUES_AT);
    Reading reading;
    reading.boot = boot_ - static_cast<uint16_t>(boot_ - get16(record));
    reading.seq = get24(record + SEQ_AT);
    reading.taken_at = get24(record + TICK_AT);
    reading.temperature_tenths = static_cast<int16_t>(static_cast<int16_t>(values >> 8) >> 4);
    reading.light = static_cast<uint16_t>(values & 0xFFF);
    reading.humidity = static_cast<uint8_t>(record[MORE_AT] & 0x7F);
    return reading;
}

}  // namespace pk
