"""Sessions inside WireGuard through moves: what a move costs, whether the tunnel was really used, and who must speak first."""

from __future__ import annotations

import pytest

from roamlab.protocols import datagrams
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import IpDatagram, Trace, UdpPacket
from tests.uml.mobile_ip_runs import Played, Player, needs_lab_kernel

pytestmark = needs_lab_kernel
INSIDE = {"203.0.113.253", "203.0.113.254", "2001:db8:ffff::1", "2001:db8:ffff::2"}


def encrypted(trace: Trace, kind: str) -> int:
    """How many packets of that kind left the mobile node."""
    left = [p for p in trace.of(UdpPacket) if p.node == "mn" and p.direction is Way.OUT]
    return sum(datagrams.wireguard(p.udp.payload) == kind for p in left)


def in_the_open(run: Played) -> list[str]:
    """Addresses of inside that were seen at a NIC, where all must be encrypted."""
    return [
        str(p.source)
        for p in run.trace.sightings
        if isinstance(p, IpDatagram) and p.nic != "wg0" and str(p.source) in INSIDE
    ]


def test_tcp_goes_on_inside_a_tunnel_that_follows_its_peer(mobile_ip: Player) -> None:
    run = mobile_ip("move-one-nic", transport="wireguard-tcp")
    judgement = run.judgement
    assert judgement.verdict == "survived", judgement.reasons
    assert "inside WireGuard" in judgement.reasons[0]
    assert judgement.lost.up == judgement.lost.down == 0
    assert judgement.lower_bound_s.down == pytest.approx(0.106, abs=0.005)  # a round trip on the new path
    assert in_the_open(run) == []
    assert encrypted(run.trace, "initiation") == 1


def test_udp_over_ipv6_loses_what_was_under_way_and_no_more(mobile_ip: Player) -> None:
    run = mobile_ip("move-one-nic", transport="wireguard-udp", family="6")
    judgement = run.judgement
    assert judgement.verdict == "survived", judgement.reasons
    assert judgement.lost.up <= 2
    assert judgement.outage_s.down == pytest.approx(judgement.lower_bound_s.down, abs=0.06)
    assert in_the_open(run) == []


@pytest.mark.parametrize(
    ("transport", "least_s", "most_s"), [("wireguard-tcp", 15.0, 25.0), ("wireguard-tcp-managed", 0.5, 2.0)]
)
def test_a_path_that_dies_untold_is_left_late_unless_wireguard_is_told(
    mobile_ip: Player, transport: str, least_s: float, most_s: float
) -> None:
    """Untold it sends from the address that it used last until nothing was answered for 15 s."""
    judgement = mobile_ip("move-silent", transport=transport).judgement
    assert (judgement.verdict, judgement.expected) == ("survived", "survived"), judgement.reasons
    assert least_s < judgement.outage_s.up < most_s


@pytest.mark.parametrize(
    ("transport", "gap", "least_s"),
    [
        ("wireguard-udp", "0", 6.0),
        ("wireguard-udp", "10", None),
        ("wireguard-udp-keepalive", "10", 30.0),
    ],
)
def test_who_only_listens_is_found_again_when_it_says_something(
    mobile_ip: Player, transport: str, gap: str, least_s: float | None
) -> None:
    """Once, 10 s after the first data, by itself; and then as often as its persistent keepalive.

    The kernel's long timers may be an eighth late.
    """
    judgement = mobile_ip("tunnel-silent", transport=transport, gap=gap).judgement
    assert judgement.verdict == judgement.expected == ("broke" if least_s is None else "survived")
    outage_s = judgement.outage_s.down
    assert (outage_s is None) == (least_s is None)
    if outage_s is not None and least_s is not None:
        assert least_s < outage_s < least_s * 1.25
