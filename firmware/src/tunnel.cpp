#include "tunnel.h"

#include <Arduino.h>
#include <string.h>

#include "clock.h"
#include "frame.h"

namespace tunnel {
namespace {

// A frame's contents: type, connection, sequence number, payload.
const uint8_t TYPE = 0, CONNECTION = 1, SEQUENCE = 2, PAYLOAD = 3;
const uint8_t OPEN = 'O', ESTABLISHED = 'E', REFUSED = 'R', DATA = 'D', ACK = 'A', CLOSE = 'C';
const uint8_t MAX_PAYLOAD = 64, TEXT_BYTES = 128;
const uint16_t CONNECT_MS = 2000, ACK_MS = 500;

pk::FrameReader reader;
bool has_frame;          // the reader holds a frame that nobody has taken yet
uint8_t taken;           // bytes of its payload that are taken
uint8_t connection, sequence;
bool peer_closed, whole;
char text[TEXT_BYTES];   // a ring
uint8_t text_first, text_count;

void keep_text(char c)
{
    if (text_count == TEXT_BYTES) return;
    text[(text_first + text_count++) % TEXT_BYTES] = c;
}

// Reads what waits on the line, up to and with the next frame.
void pump()
{
    while (!has_frame && Serial.available() > 0) {
        const uint8_t byte = static_cast<uint8_t>(Serial.read());
        switch (reader.feed(byte)) {
        case pk::FrameReader::TEXT: keep_text(static_cast<char>(byte)); break;
        case pk::FrameReader::FRAME:
            has_frame = reader.length() >= PAYLOAD && reader.contents()[CONNECTION] == connection;
            taken = PAYLOAD;
            break;
        default: break;
        }
    }
}

void send_frame(uint8_t type, uint8_t number, const uint8_t *payload, uint8_t length)
{
    uint8_t contents[PAYLOAD + MAX_PAYLOAD], wire[pk::FRAME_ON_WIRE];
    contents[TYPE] = type;
    contents[CONNECTION] = connection;
    contents[SEQUENCE] = number;
    memcpy(contents + PAYLOAD, payload, length);
    Serial.write(wire, pk::encode_frame(contents, static_cast<uint8_t>(PAYLOAD + length), wire));
}

// Whether a frame came before the deadline; it waits in the reader.
bool await_frame(clock::Counts deadline)
{
    for (;;) {
        pump();
        if (has_frame) return true;
        if (clock::reached(deadline)) return false;
        clock::sleep_ms(1);
    }
}

// Whether the frame that was sent last was taken by the host.
bool await_ack()
{
    const clock::Counts deadline = clock::now() + clock::from_ms(ACK_MS);
    while (await_frame(deadline)) {
        const uint8_t *frame = reader.contents();
        if (frame[TYPE] == ACK && frame[SEQUENCE] == sequence) {
            has_frame = false;
            return true;
        }
        if (frame[TYPE] == CLOSE) peer_closed = true;
        has_frame = false;
        if (peer_closed) return false;
    }
    return false;
}

}  // namespace

Result connect(const uint8_t address[4], uint16_t port, uint16_t)
{
    connection++;
    sequence = 0;
    has_frame = peer_closed = false;
    whole = true;
    const uint8_t payload[6] = {
        address[0], address[1], address[2], address[3], static_cast<uint8_t>(port >> 8), static_cast<uint8_t>(port)};
    send_frame(OPEN, sequence, payload, sizeof payload);
    const clock::Counts deadline = clock::now() + clock::from_ms(CONNECT_MS);
    while (await_frame(deadline)) {
        const uint8_t type = reader.contents()[TYPE];
        has_frame = false;
        if (type == ESTABLISHED) return OK;
        if (type == REFUSED) break;
    }
    return CONNECT_FAILED;  // also where no host answers: that is no cable, whose return could be seen
}

void put(const uint8_t *data, uint16_t length)
{
    while (length && whole) {
        const uint8_t part = length < MAX_PAYLOAD ? static_cast<uint8_t>(length) : MAX_PAYLOAD;
        send_frame(DATA, ++sequence, data, part);
        whole = await_ack();
        data += part;
        length = static_cast<uint16_t>(length - part);
    }
}

Result send()
{
    if (whole) return OK;
    return peer_closed ? CLOSED : TIMED_OUT;
}

uint16_t receive(uint8_t *data, uint16_t size, uint16_t timeout_ms, Result *result)
{
    const clock::Counts deadline = clock::now() + clock::from_ms(timeout_ms);
    while (!peer_closed && await_frame(deadline)) {
        const uint8_t *frame = reader.contents();
        if (frame[TYPE] == CLOSE) peer_closed = true;
        const uint8_t left = static_cast<uint8_t>(reader.length() - taken);
        if (frame[TYPE] != DATA || !left) {
            has_frame = false;
            continue;
        }
        const uint8_t part = left < size ? left : static_cast<uint8_t>(size);
        memcpy(data, frame + taken, part);
        taken = static_cast<uint8_t>(taken + part);
        if (part == left) {
            has_frame = false;
            send_frame(ACK, frame[SEQUENCE], NULL, 0);
        }
        *result = OK;
        return part;
    }
    *result = peer_closed ? CLOSED : TIMED_OUT;
    return 0;
}

void disconnect()
{
    if (!peer_closed) send_frame(CLOSE, ++sequence, NULL, 0);
    connection++;  // what still comes for the old one is not ours
    has_frame = false;
}

bool text_waits()
{
    if (has_frame) has_frame = false;  // nobody waits for it
    pump();
    return text_count > 0;
}

char next_text()
{
    const char c = text[text_first];
    text_first = static_cast<uint8_t>((text_first + 1) % TEXT_BYTES);
    text_count--;
    return c;
}

}  // namespace tunnel
