"""Whose word about a sender's address is taken: proxies in listed networks, by `X-Forwarded-For`. Pure.

A proxy appends the address that it was connected from to the right of the list; what stands to the left of the last
entry that an untrusted sender could have written is worth nothing. So the list is read from the right, for as long as
the one who wrote an entry is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from plantkeeper_proxy.errors import SettingsError

HEADER = "x-forwarded-for"
MOST_HOPS = 16  # more than anybody chains; the rest is not looked at
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class TrustedProxies:
    """Networks whose proxies are believed; none of them believes nobody.

    Args:
        networks: of proxies.
    """

    networks: tuple[Network, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __str__(self) -> str:
        return ",".join(str(network) for network in self.networks)

    def sender(self, peer: str, forwarded_for: str | None) -> str:
        """Who a request comes from.

        Args:
            peer: the address at the other end of the connection.
            forwarded_for: `X-Forwarded-For`, repeats joined by commas; None where there is none.

        Returns:
            The nearest address that is no trusted proxy's; the furthest trusted one's where all are, or where the next
            entry is no address.
        """
        at = _address(peer)
        if at is None or not self._trusts(at) or forwarded_for is None:
            return peer
        for entry in forwarded_for.split(",")[: -MOST_HOPS - 1 : -1]:
            before = _address(entry.strip())
            if before is None:
                break
            at = before
            if not self._trusts(at):
                break
        return str(at)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def parse_networks(name: str, text: str) -> TrustedProxies:
    """The networks in a list such as `172.16.0.0/12,10.1.2.3`; an empty text has none.

    Args:
        name: of the setting, for messages.

    Raises:
        SettingsError: an entry is no network, or has bits set beyond its prefix.
    """
    networks = []
    for part in (part.strip() for part in text.split(",") if text.strip()):
        try:
            networks.append(ip_network(part))
        except ValueError as error:
            raise SettingsError(
                f"{name} is {text!r}: {error}; expected networks such as 172.16.0.0/12,fd00::/8 or addresses"
            ) from error
    return TrustedProxies(tuple(networks))


def _address(text: str) -> Address | None:
    """An address as it is compared: IPv4 in IPv6 is IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
