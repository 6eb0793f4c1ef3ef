"""Registrations that are denied: for good, or until the mobile node asks for something else; and one that is replayed."""

from typing import Annotated, Literal

from msgspec import Meta

from roamlab.lab.denials import HOPELESS, MENDABLE
from roamlab.lab.lab import Lab, Transport
from roamlab.lab.mobile_ip import ReplayProtection, Terms
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited

_NEEDS = frozenset({"sctp", "ipip", "gre"})


def _move_away(lab: Lab, terms: Terms, transport: Transport) -> None:
    lab.without_asconf()
    lab.mobile_ip(terms)
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.05))
    lab.at(4.0).move(lab.mobile.nic("wlan0"), to=lab.visited)


@scenario("mip-denied", figure="FIG. 1", topology=HomeAndVisited, expect=Verdict.BROKE, needs=_NEEDS)
def mip_denied(
    lab: Lab, code: Literal[65, 66, 67, 68, 129, 130, 131, 132] = 131, transport: Transport = "udp"
) -> None:
    """The mobile node's registration is denied permanently, with a chosen code."""
    _move_away(lab, HOPELESS[code], transport)
    lab.until(12.0)


@scenario("mip-mended", figure="FIG. 1", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=_NEEDS)
def mip_mended(
    lab: Lab, code: Literal[69, 72, 74, 75, 133, 136, 137, 138, 139] = 133, transport: Transport = "udp"
) -> None:
    """The registration is denied with a code that says what to ask instead, and the corrected one is accepted."""
    _move_away(lab, MENDABLE[code], transport)
    lab.until(12.0)


@scenario("mip-unanswered", figure="FIG. 1", topology=HomeAndVisited, expect=Verdict.BROKE, needs=_NEEDS)
def mip_unanswered(
    lab: Lab, how: Literal["crash", "silence"] = "silence", transport: Transport = "udp"
) -> None:
    """The home agent is gone before the move: its process alone (crash: port unreachable), or its host (silence)."""
    lab.without_asconf()
    mobile_ip = lab.mobile_ip(Terms())
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.05))
    if how == "crash":
        lab.at(3.0).crash(mobile_ip.home_agent)
    else:
        lab.at(3.0).fail(mobile_ip.home_agent)
    lab.at(4.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(24.0)


@scenario("mip-replay", figure="FIG. 1", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=_NEEDS)
def mip_replay(
    lab: Lab,
    replay: ReplayProtection = "timestamps",
    after: Annotated[Seconds, Meta(le=3600)] = 2.0,
    transport: Transport = "udp",
) -> None:
    """A Registration Request that was accepted is sent once more: the home agent sees it and changes nothing."""
    _move_away(lab, Terms(replay=replay), transport)
    lab.at(6.0 + after).replay(lab.mobile)
    lab.until(14.0 + after)


@scenario("mip-withdraw", figure="FIG. 1", topology=HomeAndVisited, expect=Verdict.BROKE, needs=_NEEDS)
def mip_withdraw(lab: Lab, transport: Transport = "udp") -> None:
    """The mobile node deregisters its care-of address from afar: the tunnel goes, and with it the session."""
    _move_away(lab, Terms(), transport)
    lab.at(8.0).withdraw(lab.mobile)
    lab.until(14.0)
