#include "flash_eeprom.h"

#include <string.h>

#include "crc16.h"

namespace pk {
namespace {

// A page: chunk, how many pages of its commit follow, the commit's number (little-endian), bytes, CRC-16 of all before.
const uint8_t CHUNK_AT = 0, FOLLOWING_AT = 1, COMMIT_AT = 2, BYTES_AT = 6, CRC_AT = FLASH_PAGE - 2;
// Pages that stay free: to clear a row takes four at most, and a power cut or a worn page on the way costs one more.
const uint8_t RESERVE = 32;
static_assert(BYTES_AT + FlashEeprom::CHUNK_BYTES == CRC_AT, "a chunk fills its page");

uint32_t commit_of(const uint8_t *page)
{
    uint32_t number = 0;
    for (uint8_t i = 4; i-- > 0;) number = number << 8 | page[COMMIT_AT + i];
    return number;
}

// True where page `a` was written after page `b`.
bool is_newer(const uint8_t *a, const uint8_t *b)
{
    if (commit_of(a) != commit_of(b)) return commit_of(a) > commit_of(b);
    return a[FOLLOWING_AT] < b[FOLLOWING_AT];
}

}  // namespace

FlashEeprom::FlashEeprom(Flash &flash, uint16_t rows) : flash_(flash), rows_(rows), head_(0), commit_(1), at_(), changed_()
{
    memset(bytes_, 0xFF, sizeof bytes_);
}

void FlashEeprom::open()
{
    uint16_t newest = NOWHERE;
    for (uint8_t chunk = 0; chunk < CHUNKS; chunk++) at_[chunk] = NOWHERE, changed_[chunk] = false;
    memset(bytes_, 0xFF, sizeof bytes_);
    head_ = 0;
    commit_ = 1;
    for (uint16_t page = 0; page < pages(); page++) {
        if (!is_whole(page)) continue;
        const uint8_t *content = flash_.page(page);
        if (newest == NOWHERE || is_newer(content, flash_.page(newest))) newest = page;
        uint16_t &best = at_[content[CHUNK_AT]];
        if (is_committed(page) && (best == NOWHERE || is_newer(content, flash_.page(best)))) best = page;
    }
    if (newest == NOWHERE) return;
    commit_ = commit_of(flash_.page(newest)) + 1;
    head_ = after(newest);  // where it is torn, append() will notice
    for (uint8_t chunk = 0; chunk < CHUNKS; chunk++)
        if (at_[chunk] != NOWHERE) memcpy(bytes_ + chunk * CHUNK_BYTES, flash_.page(at_[chunk]) + BYTES_AT, CHUNK_BYTES);
}

void FlashEeprom::write(uint16_t at, uint8_t value)
{
    if (bytes_[at] == value) return;
    bytes_[at] = value;
    changed_[at / CHUNK_BYTES] = true;
}

bool FlashEeprom::commit()
{
    uint8_t left = 0;
    for (uint8_t chunk = 0; chunk < CHUNKS; chunk++) left = static_cast<uint8_t>(left + changed_[chunk]);
    if (!left) return true;
    if (!make_room(left)) return false;
    uint16_t written[CHUNKS];
    for (uint8_t chunk = 0; chunk < CHUNKS; chunk++) {
        if (!changed_[chunk]) continue;
        written[chunk] = append(chunk, --left, bytes_ + chunk * CHUNK_BYTES);
        if (written[chunk] == NOWHERE) {
            commit_++;  // what was written of it never counts
            return false;
        }
    }
    commit_++;
    for (uint8_t chunk = 0; chunk < CHUNKS; chunk++)
        if (changed_[chunk]) at_[chunk] = written[chunk], changed_[chunk] = false;
    return true;
}

bool FlashEeprom::is_whole(uint16_t page) const
{
    const uint8_t *content = flash_.page(page);
    const uint16_t stored = static_cast<uint16_t>(content[CRC_AT] | content[CRC_AT + 1] << 8);
    return content[CHUNK_AT] < CHUNKS && content[FOLLOWING_AT] < CHUNKS && stored == crc16(content, CRC_AT);
}

// Of a whole page: whether the last page of its commit is whole too.
bool FlashEeprom::is_committed(uint16_t page) const
{
    if (flash_.page(page)[FOLLOWING_AT] == 0) return true;
    const uint32_t commit = commit_of(flash_.page(page));
    for (uint16_t other = 0; other < pages(); other++) {
        const uint8_t *content = flash_.page(other);
        if (content[FOLLOWING_AT] == 0 && commit_of(content) == commit && is_whole(other)) return true;
    }
    return false;
}

// Whether nothing in a row counts.
bool FlashEeprom::is_clear(uint16_t row) const
{
    for (uint8_t chunk = 0; chunk < CHUNKS; chunk++)
        if (at_[chunk] != NOWHERE && at_[chunk] / PAGES_PER_ROW == row) return false;
    return true;
}

// The first row that is not begun yet.
uint16_t FlashEeprom::first_row_ahead() const
{
    return static_cast<uint16_t>((head_ + PAGES_PER_ROW - 1) / PAGES_PER_ROW % rows_);
}

// Pages from the head to the next row in which something counts.
uint16_t FlashEeprom::free_pages() const
{
    uint16_t free = static_cast<uint16_t>((PAGES_PER_ROW - head_ % PAGES_PER_ROW) % PAGES_PER_ROW);
    uint16_t row = first_row_ahead();
    for (uint16_t ahead = 1; ahead < rows_ && is_clear(row); ahead++) {
        free = static_cast<uint16_t>(free + PAGES_PER_ROW);
        row = static_cast<uint16_t>((row + 1) % rows_);
    }
    return free;
}

bool FlashEeprom::make_room(uint16_t wanted)
{
    for (uint16_t cleared = 0; free_pages() < wanted + RESERVE; cleared++) {
        if (cleared == rows_) return false;
        uint16_t row = first_row_ahead();
        while (is_clear(row)) row = static_cast<uint16_t>((row + 1) % rows_);
        if (!clear_row(row)) return false;
    }
    return true;
}

// Copies what counts in a row to the head; each copy is a commit of its own.
bool FlashEeprom::clear_row(uint16_t row)
{
    for (uint8_t chunk = 0; chunk < CHUNKS; chunk++) {
        if (at_[chunk] == NOWHERE || at_[chunk] / PAGES_PER_ROW != row) continue;
        const uint16_t copy = append(chunk, 0, flash_.page(at_[chunk]) + BYTES_AT);
        commit_++;
        if (copy == NOWHERE) return false;
        at_[chunk] = copy;
    }
    return true;
}

// Writes a page at the head, past pages, torn or worn, that do not hold what is written. NOWHERE where no page is left.
uint16_t FlashEeprom::append(uint8_t chunk, uint8_t pages_to_follow, const uint8_t *bytes)
{
    uint8_t content[FLASH_PAGE];
    content[CHUNK_AT] = chunk;
    content[FOLLOWING_AT] = pages_to_follow;
    for (uint8_t i = 0; i < 4; i++) content[COMMIT_AT + i] = static_cast<uint8_t>(commit_ >> 8 * i);
    memcpy(content + BYTES_AT, bytes, CHUNK_BYTES);
    const uint16_t crc = crc16(content, CRC_AT);
    content[CRC_AT] = static_cast<uint8_t>(crc);
    content[CRC_AT + 1] = static_cast<uint8_t>(crc >> 8);
    while (free_pages()) {
        const uint16_t page = head_;
        if (page % PAGES_PER_ROW == 0) flash_.erase_row(static_cast<uint16_t>(page / PAGES_PER_ROW));
        flash_.write_page(page, content);
        head_ = after(page);
        if (memcmp(flash_.page(page), content, FLASH_PAGE) == 0) return page;
    }
    return NOWHERE;
}

}  // namespace pk
