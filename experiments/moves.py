"""The moves of a node that any transport can play: what becomes of its sessions follows from the transport."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.handles import Session, Traffic
from roamlab.lab.lab import Family, Lab, Transport
from roamlab.lab.mobile_ip import Terms
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited, TwoMobiles
from roamlab.transports import find

MOVE_S = 5.0
AFTER_S = 15.0
_PATIENCE_S = 5.0
"""How long a connection may be without its address so that its retransmissions come within `AFTER_S` afterwards."""
_IDLE_S = 5.0
"""How long an idle session is silent after a move."""


def _fits(*, mobile_ip: bool, family: int, **_: object) -> str | None:
    return "mobile_ip=true is over IPv4 (family=4) only" if mobile_ip and family == 6 else None


@scenario("move-one-nic", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset(), sense=_fits)
def move_one_nic(
    lab: Lab,
    transport: Transport = "sctp",
    gap: Annotated[Seconds, Meta(le=600)] = 0.0,
    family: Family = 4,
    traffic: Traffic = "steady",
    mobile_ip: bool = False,
) -> None:
    """The only NIC leaves its network for another, without a link for ``gap`` seconds (break before make)."""
    session = begin(lab, transport, family, mobile_ip=mobile_ip)
    idle_s = _IDLE_S if traffic == "idle" else 0.0
    lab.at(MOVE_S + gap + idle_s if idle_s else 1.0).start(session.traffic(traffic))
    if gap >= find(transport).gives_up_s:
        lab.expect(Verdict.BROKE)
    lab.at(MOVE_S).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    # After a long gap a retransmission timer that doubles is due within as long again.
    lab.until(MOVE_S + gap + idle_s + AFTER_S + (gap if gap > AFTER_S else 0.0))


@scenario("move-two-nics", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset())
def move_two_nics(
    lab: Lab,
    transport: Transport = "sctp",
    overlap: Annotated[Seconds, Meta(le=60)] = 1.0,
    family: Family = 4,
) -> None:
    """A second NIC comes on another network, and ``overlap`` seconds later the first one goes (make before break)."""
    lab.at(1.0).start(begin(lab, transport, family).stream(every=0.02))
    lab.at(MOVE_S).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.at(MOVE_S + overlap).detach(lab.mobile.nic("wlan0"))
    lab.until(MOVE_S + overlap + AFTER_S)


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
    session = begin(lab, transport, family, mobile_ip=mobile_ip, returns=returns)
    lab.at(1.0).start(session.stream(every=0.02))
    for number in range(moves):
        there = lab.home if number % 2 else lab.visited
        lab.at(MOVE_S + number * every).move(lab.mobile.nic("wlan0"), to=there)
    lab.until(MOVE_S + moves * every + AFTER_S)


@scenario("move-address", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset())
def move_address(
    lab: Lab,
    transport: Transport = "sctp",
    overlap: Annotated[Seconds, Meta(le=60)] = 0.0,
    family: Family = 4,
) -> None:
    """The address of the only NIC changes where it is, as a network that renumbers has it."""
    lab.at(1.0).start(begin(lab, transport, family).stream(every=0.02))
    lab.at(MOVE_S).readdress(lab.mobile.nic("wlan0"), overlap=overlap)
    lab.until(MOVE_S + overlap + AFTER_S)


@scenario("move-both-ends", topology=TwoMobiles, expect=Verdict.BROKE, needs=frozenset())
def move_both_ends(
    lab: Lab[TwoMobiles],
    transport: Transport = "sctp",
    apart: Annotated[Seconds, Meta(le=60)] = 0.0,
    family: Family = 4,
) -> None:
    """Both ends of a session change their networks, the second one ``apart`` seconds after the first.

    At once each tells its new address to one that the other has left, so neither learns of it.
    """
    mn, mn2 = lab.mobiles
    kind = find(transport)
    if apart and kind.moving is not None and "called" not in kind.known_to_break:
        lab.expect(Verdict.SURVIVED)
    session = mn.connect(mn2, family=family, transport=transport)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(MOVE_S).move(mn.nic("wlan0"), to=lab.topology.visited)
    lab.at(MOVE_S + apart).move(mn2.nic("wlan0"), to=lab.topology.abroad)
    lab.until(MOVE_S + apart + AFTER_S)


def begin(
    lab: Lab, transport: str, family: Family, *, mobile_ip: bool = False, returns: bool = False
) -> Session:
    """The session of a mobile node and its correspondent, set up.

    A transport whose sessions can't outlive an address is expected to break, unless the node ``returns`` to it.

    With Mobile IP (foreign agents) the session keeps the home address, and nobody else manages it.
    """
    if mobile_ip:
        lab.without_asconf()
        lab.mobile_ip(Terms())
    elif find(transport).moving is None and not returns:
        lab.expect(Verdict.BROKE)
    return lab.mobile.connect(lab.correspondent, family=family, transport=transport, managed=not mobile_ip)
