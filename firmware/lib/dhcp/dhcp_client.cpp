#include "dhcp_client.h"

#include <string.h>

namespace pk {
namespace {

// Retransmission: 4, 8, 16, 32, 64 s, each up to a second longer or shorter (section 4.1).
const uint32_t FIRST_WAIT_MS = 4000, FUZZ_MS = 1000;
const uint8_t DOUBLINGS = 4, MOST_REQUESTS = 4;  // four requests take 60 s (section 3.1)
// Before a search begins (section 4.4.1); up to eight times that where offers come to nothing.
const uint32_t SHORTEST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 10000;
const uint8_t PAUSE_DOUBLINGS = 3;
// Of an address that is to be kept: half of the time that is left, but no less than a minute (section 4.4.5).
const uint32_t SHORTEST_RENEWAL_WAIT_S = 60, LONGEST_RENEWAL_WAIT_S = 86400;

// In the order of DhcpClient::State
const char STATE_NAMES[] PK_FLASH = "init\0selecting\0requesting\0bound\0renewing\0rebinding";

const uint8_t BROADCAST_ADDRESS[DHCP_IP_BYTES] = {255, 255, 255, 255};

uint8_t smaller(uint8_t one, uint8_t other) { return one < other ? one : other; }

class Message {
public:
    explicit Message(TextWriter &out) : out_(out), written_(0) {}

    void byte(uint8_t value)
    {
        out_.put(static_cast<char>(value));
        written_++;
    }
    void bytes(const uint8_t *values, uint8_t count)
    {
        while (count--) byte(*values++);
    }
    void zeros_up_to(uint16_t end)
    {
        while (written_ < end) byte(0);
    }
    void number(uint32_t value)
    {
        for (int8_t shift = 24; shift >= 0; shift = static_cast<int8_t>(shift - 8)) byte(static_cast<uint8_t>(value >> shift));
    }
    void option(uint8_t code, const uint8_t *values, uint8_t count)
    {
        byte(code);
        byte(count);
        bytes(values, count);
    }

private:
    TextWriter &out_;
    uint16_t written_;
};

}  // namespace

void DhcpClient::begin(const uint8_t mac[DHCP_MAC_BYTES], uint32_t seed, uint32_t now_ms)
{
    mac_ = mac;
    random_.seed(seed);
    xid_ = random_.next();
    now_ms_ = now_ms;
    failures_ = 0;
    start_over();
}

DhcpClient::Change DhcpClient::advance(uint32_t now_ms)
{
    now_ms_ = now_ms;
    const uint32_t seconds = (now_ms - second_ms_) / 1000;
    second_ms_ += seconds * 1000;
    age_s_ += seconds;
    if (state_ == REQUESTING && tries_ == MOST_REQUESTS && is_due()) {
        failures_++;
        start_over();
    }
    if (!has_address() || lease_s_ == DHCP_FOR_EVER_S) return NONE;
    if (age_s_ >= lease_s_) {
        start_over();
        return EXPIRED;
    }
    if (state_ != REBINDING && age_s_ >= rebinding_s_)
        enter(REBINDING, 0);
    else if (state_ == BOUND && age_s_ >= renewal_s_)
        enter(RENEWING, 0);
    return NONE;
}

void DhcpClient::reconnect()
{
    failures_ = 0;
    if (has_address())
        enter(REBINDING, desynchronised_ms());
    else
        start_over();
}

bool DhcpClient::is_due_within(uint32_t ms) const
{
    return state_ != BOUND && static_cast<int32_t>(now_ms_ + ms - due_ms_) >= 0;
}

const uint8_t *DhcpClient::destination() const { return state_ == RENEWING ? server_ : BROADCAST_ADDRESS; }

void DhcpClient::write(TextWriter &out)
{
    if (state_ == INIT) enter(SELECTING, 0);
    // One transaction from the first DISCOVER to the ACK; a renewal that is repeated is a new one, so that an ACK
    // answers the last request and no earlier one, from which its lease would count.
    if (has_address() || (state_ == SELECTING && !tries_)) xid_ = random_.next();
    if (state_ != REQUESTING) asked_at_s_ = age_s_;
    const uint32_t asking_s = has_address() ? 0 : asked_at_s_;  // the same in DISCOVER and REQUEST (section 4.4.1)

    Message message(out);
    message.number(0x01010600);  // a request, over Ethernet, whose addresses have 6 bytes; no hops
    message.number(xid_);
    message.number((asking_s < 0xFFFF ? asking_s : 0xFFFF) << 16 | (has_address() ? 0 : 0x8000));  // answer by broadcast
    if (has_address()) message.bytes(address_, DHCP_IP_BYTES);
    message.zeros_up_to(28);
    message.bytes(mac_, DHCP_MAC_BYTES);
    message.zeros_up_to(236);
    message.number(0x63825363);  // the cookie

    const uint8_t type = state_ == SELECTING ? DHCP_DISCOVER : DHCP_REQUEST;
    message.option(53, &type, 1);
    if (state_ == REQUESTING) {
        message.option(50, address_, DHCP_IP_BYTES);
        message.option(54, server_, DHCP_IP_BYTES);
    }
    message.number(0x37040103);  // option 55: mask, router,
    message.number(0x3A3BFF00);  // T1 and T2, please; the end
    message.zeros_up_to(DHCP_DATAGRAM_BYTES);

    due_ms_ = now_ms_ + wait_ms();
    if (tries_ < 255) tries_++;
}

DhcpClient::Change DhcpClient::take(const DhcpAnswer &answer)
{
    const DhcpType type = answer.type();
    if (state_ == SELECTING && type == DHCP_OFFER) {
        memcpy(address_, answer.address(), DHCP_IP_BYTES);
        memcpy(server_, answer.server(), DHCP_IP_BYTES);
        enter(REQUESTING, 0);
        return NONE;
    }
    if (state_ != REQUESTING && state_ != RENEWING && state_ != REBINDING) return NONE;
    if (state_ != REBINDING && memcmp(server_, answer.server(), DHCP_IP_BYTES) != 0) return NONE;
    if (type == DHCP_NAK) {
        failures_++;
        start_over();
        return REFUSED;
    }
    if (type != DHCP_ACK || memcmp(address_, answer.address(), DHCP_IP_BYTES) != 0) return NONE;
    bind(answer);
    return LEASED;
}

void DhcpClient::bind(const DhcpAnswer &answer)
{
    memcpy(mask_, answer.mask(), DHCP_IP_BYTES);
    memcpy(router_, answer.router(), DHCP_IP_BYTES);
    memcpy(server_, answer.server(), DHCP_IP_BYTES);
    lease_s_ = answer.lease_s();
    renewal_s_ = answer.renewal_s();
    rebinding_s_ = answer.rebinding_s();
    if (!renewal_s_ || renewal_s_ >= rebinding_s_ || rebinding_s_ >= lease_s_) {
        renewal_s_ = lease_s_ / 2;
        rebinding_s_ = lease_s_ - lease_s_ / 8;  // section 4.4.5
    }
    renewal_s_ -= random_.below(renewal_s_ / 16 + 1);
    age_s_ -= asked_at_s_;
    failures_ = 0;
    enter(BOUND, 0);
}

void DhcpClient::enter(State state, uint32_t due_in_ms)
{
    state_ = static_cast<uint8_t>(state);
    tries_ = 0;
    due_ms_ = now_ms_ + due_in_ms;
}

void DhcpClient::start_over()
{
    second_ms_ = now_ms_;
    age_s_ = 0;
    enter(INIT, desynchronised_ms() << smaller(failures_, PAUSE_DOUBLINGS));
}

uint32_t DhcpClient::desynchronised_ms()
{
    return SHORTEST_PAUSE_MS + random_.below(LONGEST_PAUSE_MS - SHORTEST_PAUSE_MS + 1);
}

uint32_t DhcpClient::wait_ms()
{
    if (!has_address())
        return (FIRST_WAIT_MS << smaller(tries_, DOUBLINGS)) - FUZZ_MS + random_.below(2 * FUZZ_MS + 1);
    const uint32_t left_s = (state_ == RENEWING ? rebinding_s_ : lease_s_) - age_s_;
    if (left_s / 2 < SHORTEST_RENEWAL_WAIT_S) return SHORTEST_RENEWAL_WAIT_S * 1000;
    return (left_s / 2 < LONGEST_RENEWAL_WAIT_S ? left_s / 2 : LONGEST_RENEWAL_WAIT_S) * 1000;
}

void write_state(TextWriter &out, DhcpClient::State state)
{
    const char *name = STATE_NAMES;
    for (uint8_t before = state; before; before--)
        while (flash_char(name++)) {
        }
    out.flash(name);
}

}  // namespace pk
