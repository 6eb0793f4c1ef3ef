"""FIG. 9: one NIC roams."""

from typing import Final, Literal, TypeAlias

from roamlab.lab.known import by_kernel
from roamlab.lab.lab import Family, Lab, Session
from roamlab.protocols.mobility import Announce
from roamlab.registry import Seconds, Verdict, scenario
from roamlab.topologies import HomeAndVisited

RoamingWay: TypeAlias = Literal["socket", "kernel", "rewriting"]

REFUSED: Final = dict.fromkeys(("6.1.192", "6.12", "7.3"), ("DELETE",))
"""Kernels whose correspondent refuses to delete the address that an ASCONF was found by (docs/findings.md, 1)."""


@scenario("fig09", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fig09(
    lab: Lab,
    gap: Seconds = 0.0,
    family: Family = 4,
    way: RoamingWay = "socket",
    length: Seconds = 20.0,
    cadence: Seconds = 0.02,
) -> None:
    """A mobile node with one NIC moves to another subnet in the middle of a transfer."""
    session = lab.mobile.connect(lab.correspondent, family=family, announce=Announce(way))
    _roam(lab, session, gap, length, cadence)


@scenario("fig09-kernel", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fig09_kernel(
    lab: Lab, gap: Seconds = 0.0, family: Family = 4, length: Seconds = 20.0, cadence: Seconds = 0.02
) -> None:
    """The same move announced by the kernel (SCTP_AUTO_ASCONF), with a mobility manager that asks for SET PRIMARY."""
    session = lab.mobile.connect(lab.correspondent, family=family, announce=Announce.KERNEL)
    _roam(lab, session, gap, length, cadence)


@scenario("fig09-unmanaged", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fig09_unmanaged(
    lab: Lab, gap: Seconds = 0.0, family: Family = 4, length: Seconds = 20.0, cadence: Seconds = 0.02
) -> None:
    """The same move by a program that knows nothing of mobility: SCTP_AUTO_ASCONF is on, and there is no mobility manager."""
    if by_kernel(REFUSED, mended_by="asconf-lookup-delete"):
        lab.expect(Verdict.BROKE)
    session = lab.mobile.connect(lab.correspondent, family=family, announce=Announce.KERNEL, managed=False)
    _roam(lab, session, gap, length, cadence)


@scenario("fig09-fixed", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.BROKE)
def fig09_fixed(lab: Lab, gap: Seconds = 0.0, family: Family = 4) -> None:
    """The same move without ASCONF: the association's addresses stay what they were."""
    lab.without_asconf()
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False)
    _roam(lab, session, gap)


def _roam(lab: Lab, session: Session, gap: float, length: float = 20.0, cadence: float = 0.02) -> None:
    """Messages both ways from 1 s on; at 5 s the NIC leaves home, and ``gap`` seconds later it is on the visited network."""
    lab.at(1.0).start(session.stream(every=cadence))
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    lab.until(length)
