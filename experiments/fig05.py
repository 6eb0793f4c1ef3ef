"""FIG. 5: how an association is set up."""

from roamlab.lab.cookies import Echo, Prober
from roamlab.lab.lab import Family, Lab, SctpStack
from roamlab.protocols.mobility import Announce
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("fig05", figure="FIG. 5", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fig05(lab: Lab, family: Family = 4, transport: SctpStack = "sctp") -> None:
    """Two multihomed nodes set up an association, with their addresses; of four cookies only the right one sets up another.

    The cookies are tried on the kernel's SCTP alone, whose tables show what they did.
    """
    lab.family = family
    lab.mobile.attach("wlan1", lab.visited)
    lab.correspondent.add_address()
    session = lab.mobile.connect(
        lab.correspondent, family=family, announce=Announce.KERNEL, managed=False, transport=transport
    )
    lab.at(1.0).start(session.stream(every=0.1))
    if transport in ("sctp", "usrsctp-mn"):
        prober = Prober(lab)
        lab.at(2.0).try_cookie(prober, Echo.WRONG)
        lab.at(4.0).try_cookie(prober, Echo.RIGHT)
        lab.at(6.0).try_cookie(prober, Echo.REPLAYED)
        lab.at(8.0).try_cookie(prober, Echo.STALE)
    lab.until(75.0)
