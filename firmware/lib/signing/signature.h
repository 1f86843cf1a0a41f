// The header fields that sign a request (docs/signatures.md): Content-Digest, Signature-Input, Signature.
// Ref: RFC 9421 section 2.5 (signature base), RFC 9530 section 2 (Content-Digest).
#pragma once
#include <stdint.h>

#include "config.h"
#include "text.h"

namespace pk {

// Writes the three fields, each with the line end before it, signed with the configuration's key.
// idempotency_key: the field's value, with its quotes. Takes 50 ms on an Uno.
void write_signature(TextWriter &out, const Config &config, const char *idempotency_key, const TextBuffer &body);
void write_base64(TextWriter &out, const uint8_t *data, uint8_t length);

}  // namespace pk
