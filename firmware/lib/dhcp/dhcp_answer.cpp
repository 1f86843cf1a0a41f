#include "dhcp_answer.h"

#include <string.h>

#include "text.h"

namespace pk {
namespace {

// Offsets of fixed fields (RFC 2131 figure 1), and the cookie before the options (section 3)
const uint8_t OP = 0, HTYPE = 1, HLEN = 2, XID = 4, YIADDR = 16, CHADDR = 28, COOKIE = 236, OPTIONS_AT = 240;
const uint8_t BOOTREPLY = 2, ETHERNET = 1;
const uint32_t MAGIC_COOKIE = 0x63825363;

const uint8_t PAD = 0, END = 255;
const uint8_t ROUTER_CODE = 3, TYPE_CODE = 53;
// In the order of DhcpAnswer::Option
const char CODES[] PK_FLASH = {1, ROUTER_CODE, 51, TYPE_CODE, 54, 58, 59};

uint8_t byte_of(uint32_t number, uint8_t index) { return static_cast<uint8_t>(number >> (24 - 8 * index)); }

bool is_host(const uint8_t address[DHCP_IP_BYTES])
{
    return address[0] != 0 && address[0] != 127 && address[0] < 224;  // RFC 1122 section 3.2.1.3
}

}  // namespace

DhcpAnswer::DhcpAnswer(uint32_t xid, const uint8_t mac[DHCP_MAC_BYTES])
    : xid_(xid), mac_(mac), position_(0), stage_(FIXED), option_(0), length_(0), at_(0), seen_(0)
{
    memset(values_, 0, sizeof values_);
}

void DhcpAnswer::feed(uint8_t byte)
{
    switch (stage_) {
    case FIXED: feed_fixed(byte); break;
    case CODE:
        if (byte == END) {
            stage_ = ENDED;
        } else if (byte != PAD) {
            for (option_ = 0; option_ < OPTIONS; option_++)
                if (byte == static_cast<uint8_t>(flash_char(CODES + option_))) break;
            stage_ = LENGTH;
        }
        break;
    case LENGTH: begin_option(byte); break;
    case VALUE:
        if (option_ < OPTIONS && at_ < VALUE_BYTES) values_[option_][at_] = byte;
        if (++at_ == length_) stage_ = CODE;
        break;
    default: break;
    }
}

void DhcpAnswer::feed_fixed(uint8_t byte)
{
    const uint8_t at = position_++;
    bool right = true;
    if (at == OP)
        right = byte == BOOTREPLY;
    else if (at == HTYPE)
        right = byte == ETHERNET;
    else if (at == HLEN)
        right = byte == DHCP_MAC_BYTES;
    else if (at >= XID && at < XID + 4)
        right = byte == byte_of(xid_, static_cast<uint8_t>(at - XID));
    else if (at >= YIADDR && at < YIADDR + DHCP_IP_BYTES)
        address_[at - YIADDR] = byte;
    else if (at >= CHADDR && at < CHADDR + DHCP_MAC_BYTES)
        right = byte == mac_[at - CHADDR];
    else if (at >= COOKIE)
        right = byte == byte_of(MAGIC_COOKIE, static_cast<uint8_t>(at - COOKIE));
    if (!right)
        stage_ = BROKEN;
    else if (position_ == OPTIONS_AT)
        stage_ = CODE;
}

void DhcpAnswer::begin_option(uint8_t length)
{
    length_ = length;
    at_ = 0;
    stage_ = length ? VALUE : CODE;
    if (option_ == OPTIONS) return;
    const bool fits = option_ == TYPE     ? length == 1
                      : option_ == ROUTER ? length && length % DHCP_IP_BYTES == 0
                                          : length == VALUE_BYTES;
    if (!fits || has(static_cast<Option>(option_))) stage_ = BROKEN;
    seen_ = static_cast<uint8_t>(seen_ | 1 << option_);
}

uint32_t DhcpAnswer::number(Option option) const
{
    uint32_t value = 0;
    for (uint8_t i = 0; i < VALUE_BYTES; i++) value = value << 8 | values_[option][i];
    return value;
}

bool DhcpAnswer::is_usable() const
{
    const uint32_t host_bits = ~number(MASK);
    return lease_s() >= DHCP_SHORTEST_LEASE_S && has(MASK) && (host_bits & (host_bits + 1)) == 0 && is_host(address_);
}

DhcpType DhcpAnswer::type() const
{
    if (stage_ != ENDED || !has(SERVER)) return DHCP_NOTHING;
    switch (values_[TYPE][0]) {
    case DHCP_NAK: return DHCP_NAK;
    case DHCP_OFFER: return is_usable() ? DHCP_OFFER : DHCP_NOTHING;
    case DHCP_ACK: return is_usable() ? DHCP_ACK : DHCP_NOTHING;
    default: return DHCP_NOTHING;
    }
}

}  // namespace pk
