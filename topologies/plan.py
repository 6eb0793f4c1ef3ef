"""Subnets for topologies that name none, cut from the documentation prefixes (RFC 5737, RFC 3849).

    segments   192.0.2.0/24 and 198.51.100.0/24, a /27 each: 16 of them    2001:db8:1::/64, 2001:db8:2::/64, ...
    links      203.0.113.0/24, a /30 each: 64 of them                      2001:db8:f000::/64, 2001:db8:f000:1::/64, ...

They are given out in the order in which a topology names its segments and links, so the same topology always has the same
addresses. What a topology gives itself (``topologies/addresses.py``) is left out.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from roamlab.topologies.addresses import Subnet

_SEGMENTS: Final = (IPv4Network("192.0.2.0/24"), IPv4Network("198.51.100.0/24"))
_LINKS: Final = (IPv4Network("203.0.113.0/24"),)


class Plan:
    """The subnets of one topology."""

    def __init__(self) -> None:
        self._taken: list[Subnet] = []
        self._segments = _cut(_SEGMENTS, 27, "2001:db8:{:x}::/64", 1)
        self._links = _cut(_LINKS, 30, "2001:db8:f000:{:x}::/64", 0)

    def segment(self, given: Subnet | None = None) -> Subnet:
        """The subnet of a new segment: the one that is given, or the next that is free.

        Raises:
            ValueError: none is left.

        """
        return self._take(given, self._segments, "segments", 16)

    def link(self, given: Subnet | None = None) -> Subnet:
        """The subnet of a new link between two nodes. Raises ValueError as `segment`."""
        return self._take(given, self._links, "links", 64)

    def _take(self, given: Subnet | None, free: Iterator[Subnet], what: str, most: int) -> Subnet:
        found = given or next((s for s in free if not any(s.overlaps(t) for t in self._taken)), None)
        if found is None:
            raise ValueError(
                f"the documentation prefixes have room for {most} {what} without a subnet of their own; "
                "give the others one of IPv6 alone, as topologies/crowd.py does"
            )
        self._taken.append(found)
        return found


def _cut(prefixes: tuple[IPv4Network, ...], bits: int, six: str, first: int) -> Iterator[Subnet]:
    """The subnets of IPv4 prefixes, each with the /64 that has its number in ``six``, counted from ``first``."""
    fours = (subnet for prefix in prefixes for subnet in prefix.subnets(new_prefix=bits))
    for number, four in enumerate(fours, first):
        yield Subnet(four, IPv6Network(six.format(number)))
