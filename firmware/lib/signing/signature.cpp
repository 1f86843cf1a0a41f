#include "signature.h"

#include "hmac.h"

namespace pk {
namespace {

char base64_digit(uint8_t value)
{
    if (value < 26) return static_cast<char>('A' + value);
    if (value < 52) return static_cast<char>('a' + value - 26);
    if (value < 62) return static_cast<char>('0' + value - 52);
    return value == 62 ? '+' : '/';
}

void write_content_digest(TextWriter &out, const uint8_t digest[SHA256_BYTES])
{
    out.flash(PK_TEXT("sha-256=:"));
    write_base64(out, digest, SHA256_BYTES);
    out.put(':');
}

void write_parameters(TextWriter &out, const Config &config)
{
    out.flash(PK_TEXT("(\"@method\" \"@path\" \"content-digest\" \"idempotency-key\");keyid=\""));
    out.signed_number(config.id).put('.').number(config.key_number).put('"');
}

}  // namespace

void write_base64(TextWriter &out, const uint8_t *data, uint8_t length)
{
    uint16_t bits = 0;
    uint8_t waiting = 0;
    for (uint8_t i = 0; i < length; i++) {
        bits = static_cast<uint16_t>(bits << 8 | data[i]);
        for (waiting = static_cast<uint8_t>(waiting + 8); waiting >= 6;) {
            waiting = static_cast<uint8_t>(waiting - 6);
            out.put(base64_digit((bits >> waiting) & 63));
        }
    }
    if (waiting) out.put(base64_digit(static_cast<uint8_t>((bits << (6 - waiting)) & 63)));
    for (uint8_t pad = length % 3; pad && pad < 3; pad++) out.put('=');
}

void write_signature(TextWriter &out, const Config &config, const char *idempotency_key, const TextBuffer &body)
{
    uint8_t digest[SHA256_BYTES];
    {
        Sha256 hash;
        hash.feed(reinterpret_cast<const uint8_t *>(body.content()), body.length());
        hash.finish(digest);
    }
    write_content_digest(out.flash(PK_TEXT("\r\nContent-Digest: ")), digest);
    write_parameters(out.flash(PK_TEXT("\r\nSignature-Input: sig1=")), config);

    HmacSha256 base(config.key, KEY_BYTES);
    write_content_digest(base.flash(PK_TEXT("\"@method\": POST\n\"@path\": /sensor-data\n\"content-digest\": ")), digest);
    base.flash(PK_TEXT("\n\"idempotency-key\": ")).text(idempotency_key);
    write_parameters(base.flash(PK_TEXT("\n\"@signature-params\": ")), config);
    base.finish(digest);
    write_base64(out.flash(PK_TEXT("\r\nSignature: sig1=:")), digest, sizeof digest);
    out.put(':');
}

}  // namespace pk
