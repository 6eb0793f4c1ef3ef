"""FIG. 7: a NIC is added in service."""

from typing import Final, Literal

from roamlab.lab.lab import Family, Lab, SctpStack
from roamlab.lab.neighbours import Neighbour
from roamlab.lab.request_acts import Request
from roamlab.protocols.mobility import Announce, Verb
from roamlab.record.stimuli import ANYHOW, UNSAID
from roamlab.registry import REWRITING, Verdict, scenario
from roamlab.topologies import HomeAndVisited

UNRESOLVABLE, LAST_ADDRESS, SHORTAGE, SOURCE_ADDRESS = 0x05, 0xA0, 0xA1, 0xA2
UNKNOWN: Final = "0xc0fe"  # to be skipped and reported, by its first two bits (RFC 9260, 3.2.1)
Kind = Literal["0x10fe", "0x40fe", "0x80fe", "0xc0fe"]
SCTP_AND_REWRITING = frozenset({"sctp"}) | REWRITING


@scenario("fig07", figure="FIG. 7", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fig07(
    lab: Lab,
    steps: Literal["add", "primary", "remove"] = "remove",
    family: Family = 4,
    way: Literal["socket", "rewriting"] = "socket",
    transport: SctpStack = "sctp",
) -> None:
    """A second NIC joins the association: ADD, then SET PRIMARY, then DELETE of the first; or all in one message."""
    session = lab.mobile.connect(
        lab.correspondent,
        family=family,
        announce=Announce(way),
        set_primary=steps != "add",
        delete=steps == "remove",
        transport=transport,
    )
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.until(12.0)


@scenario(
    "fig07-refusals",
    figure="FIG. 7",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=SCTP_AND_REWRITING,
)
def fig07_refusals(lab: Lab, family: Family = 4) -> None:
    """What the correspondent refuses, each with an error cause (RFC 5061, 4.2.1, 5.3 and 5.4); the session goes on."""
    session = lab.mobile.connect(
        lab.correspondent, family=family, announce=Announce.REWRITING, set_primary=False, delete=False
    )
    home, visited = lab.mobile.address_on(lab.home), lab.mobile.address_on(lab.visited)
    nowhere = lab.mobile.address_on(lab.visited2)
    group = "224.0.0.9" if family == 4 else "ff02::9"
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(2.0).ask(lab.mobile, Request(Verb.DELETE, home, refused=LAST_ADDRESS))
    lab.at(3.0).ask(lab.mobile, Request(Verb.DELETE, nowhere, refused=LAST_ADDRESS))
    lab.at(4.0).ask(lab.mobile, Request(Verb.SET_PRIMARY, nowhere, refused=UNRESOLVABLE))
    lab.at(5.0).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.at(6.0).ask(lab.mobile, Request(Verb.DELETE, visited, refused=SOURCE_ADDRESS))
    lab.at(7.0).ask(lab.mobile, Request(Verb.DELETE, nowhere, refused=UNRESOLVABLE))
    lab.at(8.0).ask(lab.mobile, Request(Verb.ADD, group, refused=UNRESOLVABLE))
    lab.at(9.0).ask(
        lab.mobile, Request(Verb.SET_PRIMARY, nowhere, refused=UNRESOLVABLE), Request(Verb.ADD, nowhere)
    )
    lab.at(10.0).ask(lab.mobile, Request(Verb.SET_PRIMARY, visited), Request(Verb.DELETE, nowhere))
    lab.until(14.0)


@scenario(
    "fig07-unknown",
    figure="FIG. 7",
    topology=HomeAndVisited,
    expect=Verdict.BROKE,
    needs=SCTP_AND_REWRITING,
)
def fig07_unknown(lab: Lab, kind: Kind = UNKNOWN, family: Family = 4) -> None:
    """A request of an unknown type: RFC 5061 (5.2, V2) asks for an error cause; Linux ends the association (ABORT)."""
    session = lab.mobile.connect(lab.correspondent, family=family, announce=Announce.REWRITING)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(3.0).ask(lab.mobile, Request(kind))
    lab.until(6.0)


@scenario(
    "fig07-behind",
    figure="FIG. 7",
    topology=HomeAndVisited,
    expect=Verdict.BROKE,
    needs=SCTP_AND_REWRITING,
)
def fig07_behind(lab: Lab, family: Family = 4) -> None:
    """An ADD or DELETE after a refused ADD in the same ASCONF must fail too (RFC 5061, 5.3, F11); Linux carries them out."""
    session = lab.mobile.connect(
        lab.correspondent, family=family, announce=Announce.REWRITING, set_primary=False, delete=False
    )
    group, nowhere = "224.0.0.9" if family == 4 else "ff02::9", lab.mobile.address_on(lab.visited2)
    lab.at(1.0).start(session.stream(every=0.1))
    lab.at(3.0).ask(
        lab.mobile,
        Request(Verb.ADD, group, refused=UNRESOLVABLE),
        Request(Verb.ADD, nowhere, refused=ANYHOW),
    )
    lab.at(4.0).ask(
        lab.mobile,
        Request(Verb.ADD, group, refused=UNRESOLVABLE),
        Request(Verb.DELETE, nowhere, refused=ANYHOW),
    )
    lab.until(6.0)


@scenario(
    "fig07-shortage",
    figure="FIG. 7",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=SCTP_AND_REWRITING,
)
def fig07_shortage(lab: Lab, family: Family = 4) -> None:
    """The correspondent has no room for an address: it refuses, and carries out nothing after it (RFC 5061, 5.3, F9, F11)."""
    lab.family, lab.correspondent.style = family, "one-to-many"
    neighbour = Neighbour(lab)
    session = lab.mobile.connect(
        lab.correspondent, family=family, announce=Announce.REWRITING, set_primary=False, delete=False
    )
    home, nowhere = lab.mobile.address_on(lab.home), lab.mobile.address_on(lab.visited2)
    taken = neighbour.address
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(2.0).call(neighbour)
    lab.at(3.0).ask(
        lab.mobile,
        Request(Verb.SET_PRIMARY, home),
        Request(Verb.ADD, taken, refused=SHORTAGE),
        Request(Verb.ADD, nowhere, refused=UNSAID),
        Request(Verb.SET_PRIMARY, home, refused=UNSAID),
    )
    lab.at(4.0).ask(lab.mobile, Request(Verb.SET_PRIMARY, nowhere, refused=UNRESOLVABLE))
    lab.at(5.0).ask(lab.mobile, Request(Verb.ADD, nowhere))
    lab.at(6.0).ask(
        lab.mobile,
        Request(Verb.ADD, taken, refused=SHORTAGE),
        Request(Verb.DELETE, nowhere, refused=UNSAID),
    )
    lab.at(7.0).ask(lab.mobile, Request(Verb.DELETE, nowhere))
    lab.until(10.0)


@scenario("fig07-last", figure="FIG. 7", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fig07_last(lab: Lab, family: Family = 4) -> None:
    """A node that loses its last address delays that DELETE until it has another address to ADD (RFC 5061, 5.3, F5)."""
    session = lab.mobile.connect(lab.correspondent, family=family, delete=False)
    lab.at(1.0).start(session.stream(every=0.1))
    lab.at(4.0).release(lab.mobile, lab.mobile.address_on(lab.home))
    lab.at(6.0).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.until(14.0)
