"""What happens to a NIC that stays on its network: its link fails, gets bad or fades, its address changes, its path is cut."""

from typing import Literal

from roamlab.lab.lab import Family, Lab, Transport
from roamlab.registry import Seconds, Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("overlap", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def overlap(lab: Lab, overlap: Seconds = 2.0, family: Family = 4) -> None:
    """Make before break: a second NIC comes, and ``overlap`` seconds later the first one goes."""
    session = lab.mobile.connect(lab.correspondent, family=family)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.at(5.0 + overlap).detach(lab.mobile.nic("wlan0"))
    lab.until(15.0 + overlap)


@scenario("readdress", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def readdress(lab: Lab, overlap: Seconds = 0.0, family: Family = 4) -> None:
    """The network renumbers: the address of a NIC changes while it stays where it is."""
    session = lab.mobile.connect(lab.correspondent, family=family)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).readdress(lab.mobile.nic("wlan0"), overlap=overlap)
    lab.until(15.0)


@scenario("link-down", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def link_down(lab: Lab, down: Seconds = 3.0, family: Family = 4, transport: Transport = "sctp") -> None:
    """A NIC loses its link for some seconds and gets it back on the same network, with the same address."""
    session = lab.mobile.connect(lab.correspondent, family=family, transport=transport)
    nic = lab.mobile.nic("wlan0")
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).link_down(nic)
    lab.at(5.0 + down).link_up(nic)
    lab.until(20.0 + down)


@scenario("impair", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def impair(
    lab: Lab, delay: Seconds = 0.1, loss: float = 5.0, rate: float = 0.5, transport: Transport = "sctp"
) -> None:
    """A link gets worse in the middle of a transfer, in delay, loss and rate, and better again."""
    session = lab.mobile.connect(lab.correspondent, managed=False, transport=transport)
    nic = lab.mobile.nic("wlan0")
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(4.0).impair(nic, delay=delay)
    lab.at(7.0).impair(nic, loss=loss)
    lab.at(10.0).impair(nic, loss=0.0, delay=0.005)
    lab.at(13.0).impair(nic, rate=rate)
    lab.at(15.0).impair(nic, rate=20.0)
    lab.until(25.0)


@scenario("fade", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fade(lab: Lab, over: Seconds = 3.0, transport: Transport = "sctp") -> None:
    """A NIC fades out while a second one is there: the session goes on over the other."""
    session = lab.mobile.connect(lab.correspondent, set_primary=False, delete=False, transport=transport)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(4.0).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.at(6.0).fade(lab.mobile.nic("wlan0"), over=over)
    lab.until(40.0)


@scenario("block", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def block(lab: Lab, blocked: Seconds = 3.0, transport: Transport = "sctp") -> None:
    """A router in the middle drops all that goes between the mobile node and its correspondent, and lets it pass again."""
    session = lab.mobile.connect(lab.correspondent, managed=False, transport=transport)
    router, nic = lab.node("internet"), lab.mobile.nic("wlan0")
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).block(router, nic, lab.correspondent)
    lab.at(5.0 + blocked).allow(router, nic, lab.correspondent)
    lab.until(25.0 + blocked)


@scenario("program-restart", topology=HomeAndVisited, expect=Verdict.BROKE)
def program_restart(
    lab: Lab, after: Seconds = 1.0, who: Literal["mobile", "correspondent"] = "mobile"
) -> None:
    """One end's program is killed and started again: the host keeps its addresses, but the session has ended."""
    session = lab.mobile.connect(lab.correspondent, managed=False)
    node = lab.mobile if who == "mobile" else lab.correspondent
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).kill(node)
    lab.at(5.0 + after).start(node)
    lab.until(15.0)
