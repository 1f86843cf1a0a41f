// Bytes like an EEPROM's, in flash that is erased in rows and written in pages: what was written becomes durable by a commit,
// all of it or, where power fails before the end, nothing.
//
// Each page holds a chunk of the bytes, under the number of the commit that it belongs to. Pages are written round and round,
// so that all rows wear alike. A commit counts once its last page is whole; of a chunk's pages the one of the latest
// commit counts. A row is erased just before it is written anew, after what still counts in it was copied to newer pages.
#pragma once
#include <stdint.h>

namespace pk {

const uint16_t FLASH_PAGE = 64;  // bytes
const uint8_t PAGES_PER_ROW = 4;

class Flash {
public:
    virtual const uint8_t *page(uint16_t number) const = 0;
    // Its four pages hold 0xFF afterwards.
    virtual void erase_row(uint16_t row) = 0;
    // Of an erased page. Where power fails, or the cells are worn, it may hold anything.
    virtual void write_page(uint16_t number, const uint8_t content[FLASH_PAGE]) = 0;

protected:
    ~Flash() {}
};

class FlashEeprom {
public:
    static const uint8_t CHUNKS = 21, CHUNK_BYTES = 56;
    static const uint16_t BYTES = CHUNKS * CHUNK_BYTES;
    // All chunks, once more all of them new, and the pages that stay free.
    static const uint16_t FEWEST_ROWS = 24;

    // The flash's rows 0 … rows − 1 are the store's own.
    FlashEeprom(Flash &flash, uint16_t rows);

    // Reads what the last whole commit left; bytes that were never written are 0xFF. Forgets what was not committed.
    void open();
    uint8_t read(uint16_t at) const { return bytes_[at]; }
    // Counts for read() at once, and for good by commit().
    void write(uint16_t at, uint8_t value);
    // False where the flash does not hold it: worn out. What counted before counts on.
    bool commit();

private:
    static const uint16_t NOWHERE = 0xFFFF;

    uint16_t pages() const { return static_cast<uint16_t>(rows_ * PAGES_PER_ROW); }
    uint16_t after(uint16_t page) const { return static_cast<uint16_t>(page + 1 == pages() ? 0 : page + 1); }
    bool is_whole(uint16_t page) const;
    bool is_committed(uint16_t page) const;
    bool is_clear(uint16_t row) const;
    uint16_t first_row_ahead() const;
    uint16_t free_pages() const;
    bool make_room(uint16_t wanted);
    bool clear_row(uint16_t row);
    uint16_t append(uint8_t chunk, uint8_t pages_to_follow, const uint8_t *bytes);

    Flash &flash_;
    uint16_t rows_;
    uint16_t head_;        // the page that is written next; at a row's start, that row is erased first
    uint32_t commit_;      // number of the next commit
    uint16_t at_[CHUNKS];  // pages that count
    bool changed_[CHUNKS];
    uint8_t bytes_[BYTES];
};

}  // namespace pk
