"""Datagrams forged into a reverse tunnel (RFC 3024, 6.1): what the home agent sends on in others' names."""

from typing import Literal

from roamlab.lab.attacks import Attacker, lossless
from roamlab.lab.lab import Lab, Transport
from roamlab.lab.mobile_ip import Terms
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker
from roamlab.topologies.addresses import CORRESPONDENT, CORRESPONDENTS, HOME, VISITED

_STRANGER = 77  # a host of the home network that nobody registered


@scenario(
    "attack-tunnel",
    figure="FIG. 1",
    topology=WithAttacker,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip"}),
    sense=lossless,
)
def attack_tunnel(
    lab: Lab,
    inner: Literal["stranger", "mobile"] = "stranger",
    reverse: bool = True,
    transport: Transport = "udp",
) -> None:
    """An attacker wraps a datagram as the foreign agent would; the home agent sends on only what a binding stands for.

    Under the mobile node's own address, where that has a reverse tunnel, it can't tell them apart: the outer header is not
    authenticated.
    """
    passes = reverse and inner == "mobile"
    attacker = Attacker(lab, "on-path", target=lab.home.router, concedes=("injections",) if passes else ())
    lab.without_asconf()
    lab.mobile_ip(Terms(reverse=reverse))
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.05))
    lab.at(4.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.at(9.0).tunnel(
        attacker,
        outer=str(VISITED.gateway4),
        inner=lab.mobile.address_on(lab.home) if inner == "mobile" else str(HOME.host4(_STRANGER).ip),
        destination=str(CORRESPONDENTS.host4(CORRESPONDENT).ip),
    )
    lab.until(14.0)
