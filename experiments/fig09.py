"""FIG. 9: one NIC roams."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta

from roamlab.lab.known import by_kernel
from roamlab.lab.lab import Family, Lab, SctpStack, Session
from roamlab.parameters import Cadence, Seconds
from roamlab.protocols.mobility import Announce
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited

RoamingWay: TypeAlias = Literal["socket", "kernel", "rewriting"]

Length: TypeAlias = Annotated[Seconds, Meta(ge=6)]
_MOVE_S: Final = 5.0
REFUSED: Final = dict.fromkeys(("6.1.192", "6.12", "7.3"), ("DELETE",))
"""Kernels whose correspondent refuses to delete the address that an ASCONF was found by (docs/findings.md, 1)."""


def _fits(gap: float, length: float, **_: object) -> str | None:
    return (
        f"gap={gap} lasts beyond length={length}; the move is at {_MOVE_S:g} s"
        if _MOVE_S + gap >= length
        else None
    )


@scenario("fig09", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED, sense=_fits)
def fig09(
    lab: Lab,
    gap: Seconds = 0.0,
    family: Family = 4,
    way: RoamingWay = "socket",
    length: Length = 20.0,
    cadence: Cadence = 0.02,
    transport: SctpStack = "sctp",
) -> None:
    """A mobile node with one NIC moves to another subnet in the middle of a transfer."""
    session = lab.mobile.connect(
        lab.correspondent, family=family, announce=Announce(way), transport=transport
    )
    _roam(lab, session, gap, length, cadence)


@scenario("fig09-kernel", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED, sense=_fits)
def fig09_kernel(
    lab: Lab, gap: Seconds = 0.0, family: Family = 4, length: Length = 20.0, cadence: Cadence = 0.02
) -> None:
    """The same move announced by the kernel (SCTP_AUTO_ASCONF), with a mobility manager that asks for SET PRIMARY."""
    session = lab.mobile.connect(lab.correspondent, family=family, announce=Announce.KERNEL)
    _roam(lab, session, gap, length, cadence)


@scenario("fig09-unmanaged", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED, sense=_fits)
def fig09_unmanaged(
    lab: Lab, gap: Seconds = 0.0, family: Family = 4, length: Length = 20.0, cadence: Cadence = 0.02
) -> None:
    """The same move by a program that knows nothing of mobility: SCTP_AUTO_ASCONF is on, and there is no mobility manager."""
    if by_kernel(REFUSED, mended_by="asconf-lookup-delete"):
        lab.expect(Verdict.BROKE)
    session = lab.mobile.connect(lab.correspondent, family=family, announce=Announce.KERNEL, managed=False)
    _roam(lab, session, gap, length, cadence)


@scenario("fig09-fixed", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.BROKE)
def fig09_fixed(lab: Lab, gap: Annotated[Seconds, Meta(le=14)] = 0.0, family: Family = 4) -> None:
    """The same move without ASCONF: the association's addresses stay what they were."""
    lab.without_asconf()
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False)
    _roam(lab, session, gap)


def _roam(lab: Lab, session: Session, gap: float, length: float = 20.0, cadence: float = 0.02) -> None:
    """Messages both ways from 1 s on; at 5 s the NIC leaves home, and ``gap`` seconds later it is on the visited network."""
    lab.at(1.0).start(session.stream(every=cadence))
    lab.at(_MOVE_S).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    lab.until(length)
