// A DHCP server's datagram, byte by byte: whether it is meant for this client, and what of it a client needs.
// Ref: RFC 2131 section 2 (format) and 4.3 (what a server sends), RFC 2132 (options).
#pragma once
#include <stdint.h>

namespace pk {

const uint8_t DHCP_MAC_BYTES = 6, DHCP_IP_BYTES = 4;
// Of a shorter lease a client would do little but renew it.
const uint32_t DHCP_SHORTEST_LEASE_S = 60;

enum DhcpType { DHCP_NOTHING = 0, DHCP_DISCOVER = 1, DHCP_OFFER = 2, DHCP_REQUEST = 3, DHCP_ACK = 5, DHCP_NAK = 6 };

class DhcpAnswer {
public:
    // Only an answer to this transaction of this client counts; `mac` must stay where it is.
    DhcpAnswer(uint32_t xid, const uint8_t mac[DHCP_MAC_BYTES]);

    // Takes the next of the datagram's bytes.
    void feed(uint8_t byte);
    // Once all are fed: OFFER or ACK with all that an address needs, or NAK with its server's name. NOTHING where it is
    // anything else, for another client, cut short, or malformed: an option twice, of a wrong length, or with a value that
    // no host can work with. Options that go on in the fields `file` and `sname` (option 52) are not looked for.
    DhcpType type() const;

    // Of an OFFER or ACK
    const uint8_t *address() const { return address_; }
    const uint8_t *mask() const { return values_[MASK]; }
    const uint8_t *router() const { return values_[ROUTER]; }     // 0.0.0.0 where it names none
    uint32_t lease_s() const { return number(LEASE); }
    uint32_t renewal_s() const { return number(RENEWAL); }        // T1; 0 where it is left to the client
    uint32_t rebinding_s() const { return number(REBINDING); }    // T2; likewise
    // Of each
    const uint8_t *server() const { return values_[SERVER]; }

private:
    enum Option { MASK, ROUTER, LEASE, TYPE, SERVER, RENEWAL, REBINDING, OPTIONS };
    enum Stage { FIXED, CODE, LENGTH, VALUE, ENDED, BROKEN };
    static const uint8_t VALUE_BYTES = 4;

    void feed_fixed(uint8_t byte);
    void begin_option(uint8_t length);
    bool is_usable() const;
    bool has(Option option) const { return (seen_ >> option & 1) != 0; }
    uint32_t number(Option option) const;

    uint32_t xid_;
    const uint8_t *mac_;
    uint8_t position_;  // among the fixed fields
    uint8_t stage_, option_, length_, at_;
    uint8_t seen_;      // bits of the options that came
    uint8_t address_[DHCP_IP_BYTES];
    uint8_t values_[OPTIONS][VALUE_BYTES];  // of each, as much as there is room for
};

}  // namespace pk
