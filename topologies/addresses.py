"""The address plan of FIG. 1 and of what is built like it; `plan.py` has the one of topologies that name no addresses.

All are documentation prefixes (RFC 5737, RFC 3849), so no packet of an experiment can mean a real host.

    home           192.0.2.0/24          2001:db8:1::/64
    visited        198.51.100.0/25       2001:db8:2::/64
    attacker       198.51.100.64/27      2001:db8:2:0:a::/80       within visited, behind the attacker's host
    victim         198.51.100.96/29      2001:db8:2:0:b::/80       within visited, behind the victim's host
    visited2       198.51.100.128/25     2001:db8:3::/64
    correspondent  203.0.113.0/27        2001:db8:4::/64
    transit links  203.0.113.128/25      2001:db8:f000::/36, one /30 and one /64 each
                   the home site's in .128/27 and :f000::/40, the foreign site's in .160/27 and :f100::/40

Within a subnet the router is host 1 and a mobile node host 10; further mobile nodes follow it.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final

ROUTER: Final = 1
MOBILE: Final = 10
CORRESPONDENT: Final = 10
PC16: Final = 116
VICTIM: Final = 117


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet with a prefix of each family, or of IPv6 alone. Hosts have the same number in both."""

    ipv4: IPv4Network | None
    ipv6: IPv6Network

    def __str__(self) -> str:
        return str(self.ipv4 or self.ipv6)

    def host4(self, number: int) -> IPv4Interface:
        """The IPv4 address of a host, with the prefix length.

        Raises:
            ValueError: the subnet has no such host.

        """
        if self.ipv4 is None:
            raise ValueError(f"{self.ipv6} has no IPv4 prefix beside it")
        if not 0 < number < self.ipv4.num_addresses - 1:
            raise ValueError(f"{self.ipv4} has no host {number}")
        return IPv4Interface((self.ipv4.network_address + number, self.ipv4.prefixlen))

    def host6(self, number: int) -> IPv6Interface:
        """The IPv6 address of a host, with the prefix length."""
        return IPv6Interface((self.ipv6.network_address + number, self.ipv6.prefixlen))

    def addresses(self, number: int) -> list[str]:
        """The addresses of a host, as `Intf.configure` takes them."""
        return [*([str(self.host4(number))] if self.ipv4 else []), str(self.host6(number))]

    @property
    def gateway4(self) -> IPv4Address:
        """The router's IPv4 address."""
        return self.host4(ROUTER).ip

    @property
    def gateway6(self) -> IPv6Address:
        """The router's IPv6 address."""
        return self.host6(ROUTER).ip

    @property
    def gateways(self) -> list[str]:
        """The addresses of the router, as `Intf.configure` takes them."""
        return [*([str(self.gateway4)] if self.ipv4 else []), str(self.gateway6)]

    def routes(self, via: "Subnet", number: int) -> dict[str, str]:
        """Routes to this subnet through host `number` of subnet `via`."""
        four = {str(self.ipv4): str(via.host4(number).ip)} if self.ipv4 and via.ipv4 else {}
        return {**four, str(self.ipv6): str(via.host6(number).ip)}

    def overlaps(self, other: "Subnet") -> bool:
        """Whether some address is in both."""
        four = self.ipv4 is not None and other.ipv4 is not None and self.ipv4.overlaps(other.ipv4)
        return four or self.ipv6.overlaps(other.ipv6)


def _subnet(ipv4: str, ipv6: str) -> Subnet:
    return Subnet(IPv4Network(ipv4), IPv6Network(ipv6))


EVERYTHING: Final = _subnet("0.0.0.0/0", "::/0")
HOME: Final = _subnet("192.0.2.0/24", "2001:db8:1::/64")
VISITED: Final = _subnet("198.51.100.0/25", "2001:db8:2::/64")
ATTACKER: Final = _subnet("198.51.100.64/27", "2001:db8:2:0:a::/80")
VICTIMS: Final = _subnet("198.51.100.96/29", "2001:db8:2:0:b::/80")
VISITED2: Final = _subnet("198.51.100.128/25", "2001:db8:3::/64")
CORRESPONDENTS: Final = _subnet("203.0.113.0/27", "2001:db8:4::/64")

CROWD: Final = IPv6Network("2001:db8:c000::/36")  # a /64 for each segment of topologies/crowd.py

HOME_SITE: Final = _subnet("203.0.113.128/27", "2001:db8:f000::/40")
FOREIGN_SITE: Final = _subnet("203.0.113.160/27", "2001:db8:f100::/40")
HA_R1: Final = _subnet("203.0.113.128/30", "2001:db8:f000::/64")
R1_INTERNET: Final = _subnet("203.0.113.132/30", "2001:db8:f001::/64")
FA_R3: Final = _subnet("203.0.113.160/30", "2001:db8:f100::/64")
FA2_R3: Final = _subnet("203.0.113.164/30", "2001:db8:f101::/64")
R3_INTERNET: Final = _subnet("203.0.113.168/30", "2001:db8:f102::/64")
