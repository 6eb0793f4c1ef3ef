"""What tunnels make of moves: who must speak first."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.lab import Family, Lab, Transport
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited
from roamlab.transports import find

_MOVE_S = 5.0
_LAST_WORD_S = 11.0
"""Who gets data inside WireGuard and sends none says so once, 10 s after the first (KEEPALIVE_TIMEOUT)."""


@scenario("tunnel-silent", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset())
def tunnel_silent(
    lab: Lab,
    transport: Transport = "wireguard-udp",
    gap: Annotated[Seconds, Meta(le=60)] = 0.0,
    family: Family = 4,
) -> None:
    """Only the correspondent sends, and the mobile node moves: the peer of a tunnel sends to where it last heard from."""
    if find(transport).moving is None or (transport == "wireguard-udp" and _MOVE_S + gap > _LAST_WORD_S):
        lab.expect(Verdict.BROKE)
    session = lab.mobile.connect(lab.correspondent, family=family, transport=transport)
    lab.at(1.0).start(session.stream(every=0.02, way="down"))
    lab.at(_MOVE_S).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    lab.until(60.0 + gap)
