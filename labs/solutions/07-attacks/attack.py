"""Lab 7, solved: whoever has seen INIT and INIT-ACK has the key (RFC 4895, 6.1)."""

from roamlab.lab.attacks import Attacker, lossless
from roamlab.lab.lab import Lab
from roamlab.lab.request_acts import Request
from roamlab.protocols.mobility import Verb
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker


@scenario("attack", topology=WithAttacker, expect=Verdict.BROKE, sense=lossless)
def attack(lab: Lab, forge: float = 4.0, forget: float = 7.0) -> None:
    """Have the correspondent send to the attacker, and later forget the mobile node."""
    attacker = Attacker(lab, "on-path", concedes=("data", "requests", "denials"))
    session = lab.mobile.connect(lab.correspondent)
    home, here = lab.mobile.address_on(lab.home), attacker.address
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(forge).forge(
        attacker, Request(Verb.ADD, here), Request(Verb.SET_PRIMARY, here), source=here, signing="key"
    )
    lab.at(forget).forge(attacker, Request(Verb.DELETE, home), source=here, signing="key")
    lab.until(12.0)
