// The address of a board with a W5500.
#include "address.h"

#include <avr/pgmspace.h>

#include "clock.h"
#include "dhcp_client.h"
#include "events.h"
#include "random.h"
#include "w5500.h"
#include "w5500_registers.h"

namespace address {
namespace {

// UDP mode (W5500 datasheet, section 4.2, Sn_MR and Sn_SR); each datagram that was received begins with its sender's
// address (4 bytes), its sender's port (2) and the length of what follows (2).
const uint8_t UDP = 0x02, SOCK_UDP = 0x22;
const uint8_t HEAD_BYTES = 8, PORT_AT = 4, LENGTH_AT = 6, CHUNK_BYTES = 16;
// More than the receive buffer holds: a poll ends, whatever comes in meanwhile.
const uint8_t MOST_AT_ONCE = 10;
const uint16_t ANSWER_MS = 3000;

const uint8_t NO_ADDRESS[4] = {0, 0, 0, 0};

const pk::Config *config;
pk::DhcpClient client;
bool leasing, was_linked;
bool listening;  // an answer may come soon: it is looked for every 50 ms, later every tick
clock::Counts listen_until;

class Datagram : public pk::TextWriter {
    void write(char c)
    {
        const uint8_t byte = static_cast<uint8_t>(c);
        w5500::put(w5500::UDP_SOCKET, &byte, 1);
    }
};

// Milliseconds since boot; wraps after 49.7 days. The counts alone wrap too early: they tell the time since the tick.
uint32_t now_ms()
{
    const uint32_t ticks = clock::ticks();
    const clock::Counts since = clock::now() - ticks * clock::COUNTS_PER_TICK;
    return ticks * (clock::SECONDS_PER_TICK * 1000UL) + since * 8 / 125;
}

uint16_t word(const uint8_t *at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

void open() { w5500::open(w5500::UDP_SOCKET, UDP, pk::DHCP_CLIENT_PORT); }

void follow(pk::DhcpClient::Change change)
{
    if (change == pk::DhcpClient::LEASED) {
        w5500::set_addresses(client.address(), client.mask(), client.router());
        events::Line line(PSTR("address"));
        line.field(PSTR("ip")).address(client.address());
        line.field(PSTR("router")).address(client.router());
        line.count(PSTR("lease_s"), client.lease_s());
    } else if (change != pk::DhcpClient::NONE) {
        w5500::set_addresses(NO_ADDRESS, NO_ADDRESS, NO_ADDRESS);
        events::Line(PSTR("noaddress"), events::WARNING)
            .named(PSTR("reason"), change == pk::DhcpClient::EXPIRED ? PSTR("expired") : PSTR("refused"));
    }
}

// Reads one datagram, if one waits.
bool receive()
{
    uint8_t head[HEAD_BYTES], chunk[CHUNK_BYTES];
    const uint16_t waiting = w5500::received(w5500::UDP_SOCKET);
    if (waiting < HEAD_BYTES) return false;
    w5500::take(w5500::UDP_SOCKET, head, HEAD_BYTES);
    uint16_t left = word(head + LENGTH_AT);
    if (left > waiting - HEAD_BYTES) {  // no head: chip and board no longer agree where a datagram begins
        open();
        return false;
    }
    pk::DhcpAnswer answer = client.answer();
    while (left) {
        const uint8_t part = left < CHUNK_BYTES ? static_cast<uint8_t>(left) : CHUNK_BYTES;
        w5500::take(w5500::UDP_SOCKET, chunk, part);
        for (uint8_t i = 0; i < part; i++) answer.feed(chunk[i]);
        left = static_cast<uint16_t>(left - part);
    }
    w5500::command(w5500::UDP_SOCKET, w5500::RECV);
    if (word(head + PORT_AT) == pk::DHCP_SERVER_PORT) follow(client.take(answer));
    return true;
}

void send()
{
    if (w5500::read8(w5500::SN_SR, w5500::UDP_SOCKET) != SOCK_UDP) open();
    w5500::aim(w5500::UDP_SOCKET, client.destination(), pk::DHCP_SERVER_PORT);
    Datagram datagram;
    client.write(datagram);
    w5500::command(w5500::UDP_SOCKET, w5500::SEND);
    listening = true;
    listen_until = clock::now() + clock::from_ms(ANSWER_MS);
}

}  // namespace

void begin(const pk::Config &with, uint32_t boot)
{
    config = &with;
    leasing = was_linked = with.dhcp;
    if (leasing)
        client.begin(with.mac, pk::seed_of(with.id, boot), now_ms());
    else
        w5500::set_addresses(with.address, with.mask, with.router);
}

void poll()
{
    if (!leasing) return;
    const bool linked = w5500::link_is_up();
    follow(client.advance(now_ms()));
    if (linked && !was_linked) client.reconnect();
    was_linked = linked;
    for (uint8_t left = MOST_AT_ONCE; left && receive(); left--) {
    }
    if (clock::reached(listen_until) || client.state() == pk::DhcpClient::BOUND) listening = false;
    if (linked && client.is_due()) send();
}

bool is_there() { return !leasing || client.has_address(); }

bool is_busy()
{
    return leasing && was_linked && (listening || client.is_due_within(clock::SECONDS_PER_TICK * 1000UL));
}

void write_state(pk::TextWriter &out)
{
    if (leasing) {
        pk::write_state(out, client.state());
        out.put(',').address(client.has_address() ? client.address() : NO_ADDRESS);
    } else {
        out.flash(config ? PSTR("static,") : PSTR("none,")).address(config ? config->address : NO_ADDRESS);
    }
}

}  // namespace address
