// A DHCP client: when to say what to a server, and what of its answers to believe. No sockets, no clock of its own.
//
// Ref: RFC 2131, figure 5 (states), sections 4.1 (retransmission) and 4.4 (client). Left out: probing the address by ARP
// before it is used, and keeping it over a restart (servers give a client that they know the same one again).
//
// Time is a count of milliseconds that wraps, as millis() does; the client must see it at least every 24 days. A lease may
// last for longer than the count.
#pragma once
#include <stdint.h>

#include "dhcp_answer.h"
#include "random.h"
#include "text.h"

namespace pk {

const uint16_t DHCP_SERVER_PORT = 67, DHCP_CLIENT_PORT = 68;
const uint32_t DHCP_FOR_EVER_S = 0xFFFFFFFF;
// Of every datagram: shorter ones some relays drop (RFC 1542 section 2.1).
const uint16_t DHCP_DATAGRAM_BYTES = 300;

class DhcpClient {
public:
    enum State { INIT, SELECTING, REQUESTING, BOUND, RENEWING, REBINDING };  // from BOUND on there is an address
    enum Change {
        NONE,
        LEASED,   // an address, or the same one for longer
        EXPIRED,  // no server made the lease longer: the address may not be used any more
        REFUSED   // a server does not let the board have it
    };

    // `mac` must stay where it is; the seed tells boards apart, and one boot of a board from the next.
    void begin(const uint8_t mac[DHCP_MAC_BYTES], uint32_t seed, uint32_t now_ms);
    // Time went by.
    Change advance(uint32_t now_ms);
    // The link is back, perhaps to another network: an address is asked for once more, a search starts anew.
    void reconnect();

    // Whether a datagram is due, or will be before `ms` are over.
    bool is_due_within(uint32_t ms) const;
    bool is_due() const { return is_due_within(0); }
    // Where the datagram goes that is due: the server, or 255.255.255.255. From port 68 to port 67.
    const uint8_t *destination() const;
    // Writes it; it counts as sent then.
    void write(TextWriter &out);

    // For what comes from port 67: feed it every byte, then take it.
    DhcpAnswer answer() const { return DhcpAnswer(xid_, mac_); }
    Change take(const DhcpAnswer &answer);

    State state() const { return static_cast<State>(state_); }
    bool has_address() const { return state_ >= BOUND; }
    // While there is an address
    const uint8_t *address() const { return address_; }
    const uint8_t *mask() const { return mask_; }
    const uint8_t *router() const { return router_; }
    uint32_t lease_s() const { return lease_s_; }

private:
    void enter(State state, uint32_t due_in_ms);
    void start_over();
    void bind(const DhcpAnswer &answer);
    uint32_t desynchronised_ms();
    uint32_t wait_ms();

    const uint8_t *mac_;
    Random random_;
    uint8_t state_;
    uint8_t tries_;     // datagrams sent in this state
    uint8_t failures_;  // leases in a row that were offered and not given
    uint32_t xid_;
    uint32_t now_ms_, due_ms_;     // due_ms_: when this state sends its next datagram
    uint32_t second_ms_, age_s_;   // seconds since the lease began, or the search; and when the last of them began
    uint32_t asked_at_s_;          // the age at which the lease was asked for that comes next
    uint32_t lease_s_, renewal_s_, rebinding_s_;
    uint8_t address_[DHCP_IP_BYTES], mask_[DHCP_IP_BYTES], router_[DHCP_IP_BYTES], server_[DHCP_IP_BYTES];
};

// Its name in lower case.
void write_state(TextWriter &out, DhcpClient::State state);

}  // namespace pk
