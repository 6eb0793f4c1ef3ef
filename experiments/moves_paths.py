"""Moves to networks that are worse than the old one, and paths that die or change though no NIC does."""

from typing import Annotated, Literal

from msgspec import Meta

from roamlab.experiments.moves import AFTER_S, MOVE_S, begin
from roamlab.lab.lab import Lab, Transport
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited
from roamlab.transports import find

_PATIENT_S = 30.0
"""Longer than WireGuard waits for an answer before it gives up the source address that it had (15 s)."""
_NAT = frozenset({"nft_nat", "nft_families"})


@scenario("move-silent", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset())
def move_silent(
    lab: Lab, transport: Transport = "sctp", after: Annotated[Seconds, Meta(ge=0.3, le=60)] = 0.5
) -> None:
    """The old path dies somewhere on the way, and nobody is told; a second NIC comes ``after`` so many seconds."""
    session = begin(lab, transport, 4)
    nic = lab.mobile.nic("wlan0")
    if "silent" in find(transport).known_to_break:
        lab.expect(Verdict.BROKE)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(MOVE_S).block(lab.node("internet"), nic, lab.correspondent)
    lab.at(MOVE_S + after).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.until(MOVE_S + after + _PATIENT_S)


@scenario("move-to-worse", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset())
def move_to_worse(lab: Lab, transport: Transport = "sctp") -> None:
    """The only NIC moves to a network whose link differs: in delay, by direction, in loss or in rate (visited_...)."""
    session = begin(lab, transport, 4)
    nic = lab.mobile.nic("wlan0")
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(MOVE_S).move(nic, to=lab.visited)
    lab.at(MOVE_S).edge(nic)
    lab.until(MOVE_S + AFTER_S)


@scenario(
    "move-black-hole",
    topology=HomeAndVisited,
    expect=Verdict.BROKE,
    needs=frozenset({"nft_families"}),
)
def move_black_hole(
    lab: Lab,
    transport: Transport = "sctp",
    mtu: Annotated[int, Meta(ge=576, le=1499)] = 1280,
    size: Annotated[int, Meta(ge=200, le=1400)] = 1400,
) -> None:
    """The only NIC moves to where a router drops packets of more than ``mtu`` octets in silence; messages have ``size``."""
    session = begin(lab, transport, 4)
    if 0 < find(transport).largest <= mtu:
        lab.expect(Verdict.SURVIVED)
    lab.black_hole(lab.visited, mtu)
    lab.at(1.0).start(session.stream(every=0.02, size=size))
    lab.at(MOVE_S).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.at(MOVE_S + 1).datagram(
        lab.mobile, lab.correspondent, size=size
    )  # a session may send nothing so large
    lab.until(MOVE_S + AFTER_S)


@scenario("move-nat", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=_NAT)
def move_nat(lab: Lab, transport: Transport = "sctp", old: Literal["open", "nat"] = "nat") -> None:
    """The only NIC leaves its network, which may be behind a NAT as well (``old``), for one behind a NAT."""
    if old == "nat":
        lab.behind_nat(lab.home)
    lab.behind_nat(lab.visited)
    session = begin(lab, transport, 4)
    if "nat" in find(transport).known_to_break:
        lab.expect(Verdict.BROKE)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(MOVE_S).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(MOVE_S + AFTER_S)


@scenario("nat-rebinding", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=_NAT)
def nat_rebinding(lab: Lab, transport: Transport = "sctp") -> None:
    """The NAT that a node is behind forgets its connections, as after a restart; the node's own NIC notices nothing."""
    lab.behind_nat(lab.home)
    session = begin(lab, transport, 4)
    if "rebinding" in find(transport).known_to_break:
        lab.expect(Verdict.BROKE)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(MOVE_S).rebind(lab.mobile.nic("wlan0"))
    lab.until(MOVE_S + AFTER_S)
