// Readings that wait for the gateway's acknowledgement, in a ring of EEPROM: they outlive a power cut, oldest first.
//
// A record is written into the slot behind the newest, round and round, so that all cells wear alike; one slot is always
// free, so that a write never touches a reading that waits. A record counts once its CRC is right and its last byte, the
// mark, is written: a power cut at any byte loses only the reading that was being written. A reading that is done loses its
// mark, by one byte written.
#pragma once
#include <stdint.h>

#include "reading.h"

namespace pk {

// Bytes that outlive a power cut; a byte is written whole or, where power fails, with any value.
class ByteStore {
public:
    virtual uint8_t read(uint16_t at) const = 0;
    virtual void write(uint16_t at, uint8_t value) = 0;

protected:
    ~ByteStore() {}
};

const uint8_t JOURNAL_RECORD_BYTES = 17;
// Numbers and ticks from here on do not fit into a record: 776 days of ticks.
const uint32_t JOURNAL_END = 0x1000000;

class Journal {
public:
    // The ring takes `slots` records of the store, of which slots − 1 can wait; from `address` on.
    Journal(ByteStore &store, uint16_t address, uint8_t slots);

    // Finds what waits from earlier boots.
    void open(uint32_t boot);
    uint8_t waiting() const { return waiting_; }
    bool full() const { return waiting_ == slots_ - 1; }
    // Readings that were given up in this EEPROM's life; counted up to 131 071.
    uint32_t dropped() const { return dropped_; }

    // Stores a reading of this boot; durable on return. Not while full.
    // False where no cell of three slots holds what was written.
    bool append(const Reading &reading);
    // The oldest that waits. Not while none does.
    Reading oldest() const;
    // How long the oldest waited, at least: nobody knows for how long the board had no power.
    uint32_t oldest_age_ticks(uint32_t now) const;
    // The oldest was delivered.
    void pop();
    // The oldest is given up. The count is stored with the next reading.
    void drop();

private:
    enum State { BROKEN, SPENT, WAITING };

    State load(uint8_t slot, uint8_t record[JOURNAL_RECORD_BYTES]) const;
    Reading decode(const uint8_t record[JOURNAL_RECORD_BYTES]) const;
    uint8_t after(uint8_t slot) const { return static_cast<uint8_t>(slot + 1 == slots_ ? 0 : slot + 1); }
    uint8_t before(uint8_t slot) const { return static_cast<uint8_t>(slot ? slot - 1 : slots_ - 1); }
    void find_oldest(uint8_t from);
    uint16_t at(uint8_t slot) const { return static_cast<uint16_t>(address_ + slot * JOURNAL_RECORD_BYTES); }

    ByteStore &store_;
    uint16_t address_;
    uint8_t slots_;
    uint8_t next_, oldest_, waiting_;  // waiting_: slots from oldest_ to next_
    uint32_t boot_, dropped_;
};

}  // namespace pk
