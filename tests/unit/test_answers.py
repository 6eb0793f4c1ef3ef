"""Requests of a scenario's own, and cookies, judged from what the capture shows."""

from ipaddress import IPv4Address

import pytest

from roamlab.judge.announced import unmet
from roamlab.judge.answers import asked, outcomes, wrong_answers
from roamlab.judge.cookies import echoed, wrong_set_ups
from roamlab.judge.evidence import Evidence
from roamlab.judge.witness import unseen_stimuli
from roamlab.lab.request_acts import Request
from roamlab.protocols.ip import SCTP, Datagram
from roamlab.protocols.mobility import Verb
from roamlab.protocols.pcapng import Direction
from roamlab.protocols.rewriting import OWN_IDS
from roamlab.protocols.sctp import causes
from roamlab.protocols.sctp.chunks import Abort, Asconf, AsconfAck, Chunk, CookieEcho
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import (
    AddIp,
    DeleteIp,
    ErrorCauseIndication,
    IPv4Parameter,
    RawParameter,
    SetPrimary,
    Success,
)
from roamlab.protocols.trace import Message, SctpPacket, Trace
from roamlab.record.event import Event
from roamlab.record.events import CookieState
from roamlab.record.stimuli import ANYHOW, UNSAID, Ask, Asked, Cookie, Favour, Move, Stimulus

A = IPv4Address("192.0.2.10")
CN = IPv4Address("203.0.113.10")
LAST = 0xA0


def seen(time: int, node: str, way: Direction, *chunks: Chunk) -> SctpPacket:
    raw = Packet(1, 2, 3, chunks).encode()
    return SctpPacket(time, time, node, "eth0", way, Datagram(A, CN, SCTP, 64, raw), Message(raw))


def evidence(stimulus: Stimulus, *packets: SctpPacket, events: tuple[Event, ...] = ()) -> Evidence:
    return Evidence(Trace(tuple(packets), (), truncated=False), [stimulus, *events])


def asking(*requests: Request) -> Ask:
    wanted = tuple(request.asked(number) for number, request in enumerate(requests))
    return Ask(wanted, t=10, node="mn", at_s=1.0)


DELETE = seen(11, "mn", Direction.OUT, Asconf(7, (IPv4Parameter(A), DeleteIp(OWN_IDS, A))))
GRANTED = seen(12, "mn", Direction.IN, AsconfAck(7))
REFUSED = seen(
    12,
    "mn",
    Direction.IN,
    AsconfAck(7, (ErrorCauseIndication(OWN_IDS, (causes.RequestToDeleteLastRemainingAddress(b""),)),)),
)


def test_an_answer_as_expected_is_nothing_to_speak_of() -> None:
    assert wrong_answers(evidence(asking(Request(Verb.DELETE, str(A), refused=LAST)), DELETE, REFUSED)) == []
    assert wrong_answers(evidence(asking(Request(Verb.DELETE, str(A))), DELETE, GRANTED)) == []


def test_an_answer_other_than_expected_names_both() -> None:
    (wrong,) = wrong_answers(evidence(asking(Request(Verb.DELETE, str(A), refused=LAST)), DELETE, GRANTED))
    assert "cause 0x00a0 expected, success answered" in wrong
    (wrong,) = wrong_answers(evidence(asking(Request(Verb.DELETE, str(A))), DELETE, REFUSED))
    assert "success expected, cause 0x00a0 answered" in wrong


def test_requests_that_nobody_answered_are_named_and_so_is_an_abort() -> None:
    stimulus = asking(Request(Verb.DELETE, str(A)))
    assert "with nothing" in wrong_answers(evidence(stimulus, DELETE))[0]
    abort = seen(12, "mn", Direction.IN, Abort((causes.ProtocolViolation(),)))
    assert "ABORT 0x000d Protocol Violation" in wrong_answers(evidence(stimulus, DELETE, abort))[0]


def test_what_an_answer_does_not_mention_failed_with_what_stands_before_it() -> None:
    """RFC 5061, 5.1, A7: not before it, and not where the answer says otherwise."""
    asked_for = [Asked("ADD IP", id=n) for n in range(4)]
    shortage = ErrorCauseIndication(1, (causes.RefusedDueToResourceShortage(b""),))
    assert outcomes(AsconfAck(7), asked_for) == [None] * 4
    assert outcomes(AsconfAck(7, (shortage,)), asked_for) == [None, 0xA1, UNSAID, UNSAID]
    assert outcomes(AsconfAck(7, (shortage, Success(2))), asked_for) == [None, 0xA1, None, UNSAID]


def test_a_silent_failure_is_no_success() -> None:
    requests = Request(Verb.ADD, str(A), refused=LAST), Request(Verb.DELETE, str(A))
    both = seen(
        11, "mn", Direction.OUT, Asconf(7, (IPv4Parameter(A), AddIp(OWN_IDS, A), DeleteIp(OWN_IDS + 1, A)))
    )
    (wrong,) = wrong_answers(evidence(asking(*requests), both, REFUSED))
    assert "success expected, failure without a cause answered" in wrong


def test_a_request_may_be_wanted_to_fail_with_whatever_cause_but_not_to_succeed() -> None:
    wanted = asking(Request(Verb.DELETE, str(A), refused=ANYHOW))
    assert wrong_answers(evidence(wanted, DELETE, REFUSED)) == []
    (wrong,) = wrong_answers(evidence(wanted, DELETE, GRANTED))
    assert "failure expected, success answered" in wrong


def test_only_an_asconf_with_these_requests_is_a_witness() -> None:
    stimulus = asking(Request(Verb.SET_PRIMARY, str(A)))
    assert asked(evidence(stimulus, DELETE, GRANTED), stimulus) == (None, None)


def test_a_request_that_nobody_knows_is_found_by_its_type() -> None:
    stimulus = asking(Request("0xc0fe"))
    unknown = seen(11, "mn", Direction.OUT, Asconf(7, (IPv4Parameter(A), RawParameter(0xC0FE, b"\0\0\0\0"))))
    assert asked(evidence(stimulus, unknown), stimulus)[0] is not None


@pytest.mark.parametrize(("primary", "port", "unseen"), [(A, 2, 0), (CN, 2, 1), (A, 9, 1)])
def test_a_wish_is_seen_by_the_peer_that_it_is_for(primary: IPv4Address, port: int, unseen: int) -> None:
    stimulus = Favour(str(A), port, t=10, node="cn", at_s=1.0)
    wish = seen(11, "cn", Direction.OUT, Asconf(7, (IPv4Parameter(A), SetPrimary(0, primary))))
    assert len(unseen_stimuli(evidence(stimulus, wish))) == unseen


@pytest.mark.parametrize(
    ("packets", "fate"),
    [
        ((), "nobody asked for it"),
        ((DELETE,), "it was asked for and not answered"),
        ((DELETE, REFUSED), "it was refused"),
        ((DELETE, GRANTED), ""),
    ],
)
def test_what_a_move_should_have_led_to(packets: tuple[SctpPacket, ...], fate: str) -> None:
    move = Move(to="visited", expects=(Verb.DELETE,), t=10, node="mn", at_s=5.0)
    expected = [f"the move at 5.0 s should have led to DELETE IP: {fate}"] if fate else []
    assert unmet(evidence(move, *packets)) == expected


X = IPv4Address("198.51.100.10")
ADDED = (
    seen(5, "mn", Direction.OUT, Asconf(6, (IPv4Parameter(A), AddIp(0, X)))),
    seen(6, "mn", Direction.IN, AsconfAck(6)),
)
DELETED = (
    seen(12, "mn", Direction.OUT, Asconf(7, (IPv4Parameter(A), DeleteIp(0, X)))),
    seen(13, "mn", Direction.IN, AsconfAck(7)),
)


@pytest.mark.parametrize(("packets", "missing"), [(ADDED, False), ((), True), ((*ADDED, *DELETED), True)])
def test_a_node_that_comes_back_to_an_address_that_its_peer_still_has_needs_not_ask(
    packets: tuple[SctpPacket, ...], missing: bool
) -> None:
    move = Move(to="visited", new=str(X), expects=(Verb.ADD,), t=10, node="mn", at_s=5.0)
    assert bool(unmet(evidence(move, *packets))) == missing


def trying(echo: str, sets_up: int) -> Cookie:
    return Cookie(echo, sets_up, t=10, node="lab", at_s=1.0)


def counts(*associations: int) -> tuple[Event, ...]:
    return tuple(CookieState(count, 0, 0, t=11 + n, node="cn") for n, count in enumerate(associations))


@pytest.mark.parametrize(("echo", "sets_up", "after"), [("wrong", 0, 1), ("right", 1, 2)])
def test_a_cookie_sets_up_what_it_should(echo: str, sets_up: int, after: int) -> None:
    assert wrong_set_ups(evidence(trying(echo, sets_up), events=counts(1, after))) == []


def test_a_wrong_cookie_that_sets_something_up_is_named() -> None:
    (reason,) = wrong_set_ups(evidence(trying("wrong", 0), events=counts(1, 2)))
    assert "the wrong cookie at 1.0 s set up 1 associations instead of 0" in reason


def test_a_cookie_counts_only_when_its_echo_arrived() -> None:
    stimulus = trying("wrong", 0)
    assert not echoed(evidence(stimulus), stimulus)
    assert not echoed(evidence(stimulus, seen(9, "cn", Direction.IN, CookieEcho(b"x"))), stimulus)
    assert echoed(evidence(stimulus, seen(11, "cn", Direction.IN, CookieEcho(b"x"))), stimulus)
