"""Lab 9: what the kernel must still do right once an ASCONF may delete the address through which its association was found."""

from roamlab.lab.lab import Lab
from roamlab.lab.raw import Ask, beside_a_session
from roamlab.lab.request_acts import Request
from roamlab.protocols.mobility import Verb
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker


@scenario("chain", topology=WithAttacker, expect=Verdict.SURVIVED)
def chain(lab: Lab[WithAttacker]) -> None:
    """Delete the lookup address, and then all but the packet's source by the wildcard, in one chunk: the source stays."""
    raw = beside_a_session(lab, 4)
    one = lab.at(2.0).associate(raw, tsn=1000)
    own, new, third = raw.address(1), raw.address(2), raw.address(3)
    plain = "AUTH, ASCONF-ACK {}".format
    lab.at(3.0).say(one, Ask(1000, Request(Verb.ADD, third)), answers=[plain(1000)])
    moved = Request(Verb.ADD, new), Request(Verb.DELETE, own), Request(Verb.DELETE, lab.wildcard)
    lab.at(4.0).say(one, Ask(1001, *moved, by=own), source=new, answers=[plain(1001)])
    preferred = Ask(1002, Request(Verb.SET_PRIMARY, new), by=new)
    lab.at(5.0).say(one, preferred, source=new, answers=[plain(1002)])
    lab.until(8.0)
