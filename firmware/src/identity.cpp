#include "identity.h"

#ifndef PK_GIT_HASH
#define PK_GIT_HASH "nogit"
#endif
#ifndef PK_BOARD
#define PK_BOARD "uno"
#endif

namespace identity {
namespace {

// scripts/seal.py finds this text in the ELF and puts the first 16 digits of the ELF's SHA-256 over the zeros.
const char SEAL[] PK_FLASH = "pk-seal:0000000000000000";
const uint8_t SEAL_AT = 8;

}  // namespace

void write_version(pk::TextWriter &out) { out.flash(PK_TEXT(PK_VERSION "+" PK_GIT_HASH)); }

void write(pk::TextWriter &out, int32_t id)
{
    out.flash(PK_TEXT("PlantKeeper," PK_BOARD ",")).signed_number(id).put(',');
    write_version(out);
    out.flash(PK_TEXT(".elf-")).flash(SEAL + SEAL_AT);
}

}  // namespace identity
