"""usrsctp, FreeBSD's SCTP, at either end or both: FIG. 5, 6, 7 and 9, and what it does by itself that Linux does not."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterator

import pytest

from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Asconf, AsconfAck
from roamlab.protocols.sctp.parameters import AddIp, DeleteIp, ErrorCauseIndication, SetPrimary
from roamlab.protocols.trace import SctpPacket
from roamlab.transports.usrsctp_library import NAME
from tests.uml.mobile_ip_runs import Played, Player, needs_lab_kernel


def _there() -> bool:
    try:
        ctypes.CDLL(NAME)
    except OSError:
        return False
    return True


pytestmark = [
    *needs_lab_kernel,
    pytest.mark.skipif(not _there(), reason=f"needs {NAME}: apt-get install libusrsctp2"),
]


def asked(run: Played) -> list[list[type]]:
    """The requests of each ASCONF that left the mobile node, by their classes, in order."""
    return [
        [type(request) for request in chunk.requests]
        for packet, chunk in run.trace.asconfs
        if isinstance(chunk, Asconf) and packet.node == "mn" and packet.direction is Way.OUT
    ]


def refused(run: Played) -> Iterator[int]:
    """How many requests each answer refused, as it came to the mobile node."""
    for packet, chunk in run.trace.asconfs:
        if isinstance(chunk, AsconfAck) and packet.node == "mn" and packet.direction is Way.IN:
            yield sum(isinstance(p, ErrorCauseIndication) for p in chunk.parameters)


def test_usrsctp_sends_the_one_message_of_the_design_by_itself_and_carries_it_out(mobile_ip: Player) -> None:
    run = mobile_ip("fig09", transport="usrsctp")
    assert run.judgement.verdict == "survived", run.judgement.reasons
    assert asked(run) == [[AddIp, DeleteIp, SetPrimary]]
    assert list(refused(run)) == [0]


def test_linux_refuses_the_delete_of_that_message(mobile_ip: Player) -> None:
    """docs/findings.md, 1, seen from outside Linux."""
    run = mobile_ip("fig09", transport="usrsctp-mn")
    assert run.judgement.verdict == "survived", run.judgement.reasons
    assert asked(run)[0] == [AddIp, DeleteIp, SetPrimary]
    assert next(refused(run)) == 1


def test_usrsctp_grants_linux_s_delete_at_once(mobile_ip: Player) -> None:
    """So data flows a round trip sooner than between two Linux hosts, 10 ms above the bound, which are the neighbour's."""
    run = mobile_ip("fig09", transport="usrsctp-cn")
    judgement = run.judgement
    assert judgement.verdict == "survived", judgement.reasons
    assert asked(run) == [[AddIp, DeleteIp], [SetPrimary]]
    assert list(refused(run)) == [0, 0]
    assert judgement.outage_s.up == pytest.approx(judgement.lower_bound_s.up, abs=0.02)


def test_told_of_both_addresses_at_once_usrsctp_asks_in_an_order_that_is_refused(mobile_ip: Player) -> None:
    run = mobile_ip("move-one-nic", transport="usrsctp-plain")
    assert asked(run)[0] == [DeleteIp, AddIp]
    assert next(refused(run)) == 1


def test_a_second_nic_is_added_preferred_and_the_first_deleted_when_it_goes(mobile_ip: Player) -> None:
    run = mobile_ip("move-two-nics", transport="usrsctp", overlap="1")
    assert run.judgement.verdict == "survived", run.judgement.reasons
    assert asked(run) == [[AddIp], [SetPrimary], [DeleteIp]]
    assert run.judgement.outage_s.up == run.judgement.outage_s.down == 0


@pytest.mark.parametrize(("figure", "verdict"), [("fig05", "survived"), ("fig06", "broke")])
def test_set_up_and_reconnection_come_out_as_with_linux(mobile_ip: Player, figure: str, verdict: str) -> None:
    judgement = mobile_ip(figure, transport="usrsctp").judgement
    assert (judgement.verdict, judgement.expected) == (verdict, verdict), judgement.reasons


def test_over_udp_a_nat_may_give_another_port(mobile_ip: Player) -> None:
    """RFC 6951, 5.4: the peer answers to the UDP port that a packet came from last."""
    judgement = mobile_ip("nat-rebinding", transport="usrsctp-udp").judgement
    assert (judgement.verdict, judgement.expected) == ("survived", "survived"), judgement.reasons


def test_over_udp_everything_is_inside_udp_and_each_run_has_the_same_bytes(mobile_ip: Player) -> None:
    first, second = (mobile_ip("fig09", transport="usrsctp-udp", gap=gap) for gap in ("0", "0.0"))
    assert first.judgement.verdict == "survived", first.judgement.reasons
    assert {p.datagram.protocol for p in first.trace.of(SctpPacket)} == {17}
    assert first.capture != second.capture
    hashes = {hashlib.sha256(run.capture.read_bytes()).hexdigest() for run in (first, second)}
    assert len(hashes) == 1
