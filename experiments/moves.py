"""The moves of a node that any transport can play: what becomes of its sessions follows from the transport."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.lab import Family, Lab, Transport
from roamlab.lab.mobile_ip import Terms
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited
from roamlab.transports import find

_MOVE_S = 5.0
_AFTER_S = 15.0
_PATIENCE_S = 5.0
"""How long a connection may be without its address so that its retransmissions come within `_AFTER_S` afterwards."""


def _fits(*, mobile_ip: bool, family: int, **_: object) -> str | None:
    return "mobile_ip=true is over IPv4 (family=4) only" if mobile_ip and family == 6 else None


@scenario("move-one-nic", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset(), sense=_fits)
def move_one_nic(
    lab: Lab,
    transport: Transport = "sctp",
    gap: Annotated[Seconds, Meta(le=60)] = 0.0,
    family: Family = 4,
    mobile_ip: bool = False,
) -> None:
    """The only NIC leaves its network for another, without a link for ``gap`` seconds (break before make)."""
    _begin(lab, transport, family, mobile_ip=mobile_ip)
    lab.at(_MOVE_S).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    lab.until(_MOVE_S + gap + _AFTER_S)


@scenario("move-two-nics", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset())
def move_two_nics(
    lab: Lab,
    transport: Transport = "sctp",
    overlap: Annotated[Seconds, Meta(le=60)] = 1.0,
    family: Family = 4,
) -> None:
    """A second NIC comes on another network, and ``overlap`` seconds later the first one goes (make before break)."""
    _begin(lab, transport, family)
    lab.at(_MOVE_S).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.at(_MOVE_S + overlap).detach(lab.mobile.nic("wlan0"))
    lab.until(_MOVE_S + overlap + _AFTER_S)


@scenario(
    "move-back-and-forth", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset(), sense=_fits
)
def move_back_and_forth(
    lab: Lab,
    transport: Transport = "sctp",
    moves: Annotated[int, Meta(ge=1, le=1000)] = 2,
    every: Annotated[Seconds, Meta(ge=0.1, le=600)] = 5.0,
    family: Family = 4,
    mobile_ip: bool = False,
) -> None:
    """The only NIC goes to another network and back, ``moves`` times in all, ``every`` so many seconds.

    Who ends at home has its first address again, and any session goes on that was not given up by then.
    """
    returns = moves % 2 == 0 and every <= _PATIENCE_S
    _begin(lab, transport, family, mobile_ip=mobile_ip, returns=returns)
    for number in range(moves):
        there = lab.home if number % 2 else lab.visited
        lab.at(_MOVE_S + number * every).move(lab.mobile.nic("wlan0"), to=there)
    lab.until(_MOVE_S + moves * every + _AFTER_S)


@scenario("move-address", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset())
def move_address(
    lab: Lab,
    transport: Transport = "sctp",
    overlap: Annotated[Seconds, Meta(le=60)] = 0.0,
    family: Family = 4,
) -> None:
    """The address of the only NIC changes where it is, as a network that renumbers has it."""
    _begin(lab, transport, family)
    lab.at(_MOVE_S).readdress(lab.mobile.nic("wlan0"), overlap=overlap)
    lab.until(_MOVE_S + overlap + _AFTER_S)


def _begin(
    lab: Lab, transport: str, family: Family, *, mobile_ip: bool = False, returns: bool = False
) -> None:
    """Messages both ways from 1 s on.

    A transport whose sessions can't outlive an address is expected to break, unless the node ``returns`` to it.

    With Mobile IP (foreign agents) the session keeps the home address, and nobody else manages it.
    """
    if mobile_ip:
        lab.without_asconf()
        lab.mobile_ip(Terms())
    elif find(transport).moving is None and not returns:
        lab.expect(Verdict.BROKE)
    session = lab.mobile.connect(lab.correspondent, family=family, transport=transport, managed=not mobile_ip)
    lab.at(1.0).start(session.stream(every=0.02))
