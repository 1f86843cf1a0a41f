#include "message.h"

#include "signature.h"

#ifndef PK_VERSION
#define PK_VERSION "0.1.0"
#endif

namespace pk {
namespace {

// The longest, every number at its largest, and the 0 behind it.
const uint8_t BODY_BYTES = 88, QUOTED_KEY_BYTES = 24;

void write_body(TextWriter &out, const Config &config, const Reading &reading, uint32_t age_s)
{
    out.flash(PK_TEXT("{\"id\":")).signed_number(config.id);
    out.flash(PK_TEXT(",\"temperature\":")).tenths(reading.temperature_tenths);
    out.flash(PK_TEXT(",\"humidity\":")).number(reading.humidity);
    out.flash(PK_TEXT(",\"light\":")).number(reading.light);
    if (age_s) out.flash(PK_TEXT(",\"age_s\":")).number(age_s);
    out.put('}');
}

}  // namespace

void write_key(TextWriter &out, uint32_t boot, uint32_t seq) { out.number(boot).put('-').number(seq); }

void write_request(TextWriter &out, const Config &config, const Reading &reading, uint32_t age_s)
{
    char key_buffer[QUOTED_KEY_BYTES], body_buffer[BODY_BYTES];
    TextBuffer key(key_buffer, sizeof key_buffer), body(body_buffer, sizeof body_buffer);
    key.put('"');
    write_key(key, reading.boot, reading.seq);
    key.put('"');
    write_body(body, config, reading, age_s);

    out.flash(PK_TEXT("POST /sensor-data HTTP/1.1\r\nHost: ")).address(config.gateway).put(':').number(config.gateway_port);
    out.flash(PK_TEXT("\r\nUser-Agent: PlantKeeper/" PK_VERSION
                      "\r\nContent-Type: application/json\r\nIdempotency-Key: "));
    out.text(key.content());
    if (config.key_number) write_signature(out, config, key.content(), body);
    out.flash(PK_TEXT("\r\nContent-Length: ")).number(body.length());
    out.flash(PK_TEXT("\r\nConnection: close\r\n\r\n")).text(body.content());
}

}  // namespace pk
