#include "identity.h"

#ifndef PK_GIT_HASH
#define PK_GIT_HASH "nogit"
#endif
#ifndef PK_BOARD
#define PK_BOARD "uno"
#endif

// scripts/seal.py finds this text in the ELF and puts the first 16 digits of the ELF's SHA-256 over the zeros.
// In assembler, since a constant of C++ would be in the debugging information a second time.
#ifdef __AVR__
#define SEAL_SECTION ".progmem.data.pk_seal"
#else
#define SEAL_SECTION ".rodata.pk_seal"
#endif
asm(".section " SEAL_SECTION ", \"a\"\n"
    "pk_seal: .asciz \"pk-seal:0000000000000000\"\n"
    ".previous");
extern "C" const char pk_seal[];

namespace identity {
namespace {

const uint8_t SEAL_AT = 8;

}  // namespace

void write_version(pk::TextWriter &out) { out.flash(PK_TEXT(PK_VERSION "+" PK_GIT_HASH)); }

void write(pk::TextWriter &out, int32_t id)
{
    out.flash(PK_TEXT("PlantKeeper," PK_BOARD ",")).signed_number(id).put(',');
    write_version(out);
    out.flash(PK_TEXT(".elf-")).flash(pk_seal + SEAL_AT);
}

}  // namespace identity
