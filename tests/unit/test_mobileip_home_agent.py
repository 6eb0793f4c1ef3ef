"""The home agent: codes, replay protection, lifetimes, bindings and advertisements."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from random import Random

import pytest

from roamlab.protocols.mobileip.actions import (
    AddTunnel,
    Encapsulation,
    GratuitousArp,
    ProxyArp,
    RemoveTunnel,
    SendIcmp,
    SendUdp,
    UdpAddress,
)
from roamlab.protocols.mobileip.admission import HomeAgentConfig
from roamlab.protocols.mobileip.advertisement import AgentAdvertisement, AgentFlags, AgentSolicitation
from roamlab.protocols.mobileip.advertiser import Advertiser, Advertising, following
from roamlab.protocols.mobileip.authentication import SecurityAssociation, sign, verify
from roamlab.protocols.mobileip.extensions import FOREIGN_HOME, MOBILE_HOME
from roamlab.protocols.mobileip.home_agent import HomeAgent
from roamlab.protocols.mobileip.identification import (
    SECOND,
    ReplayProtection,
    TimestampGuard,
    TimestampSource,
    ahead,
    high,
    join,
    low,
    timestamp,
)
from roamlab.protocols.mobileip.policy import Reverse
from roamlab.protocols.mobileip.registration import RegistrationReply, RegistrationRequest, RequestFlags
from roamlab.record.mobile_ip_events import MipDiscarded

HOME, OTHER, AGENT = (IPv4Address(a) for a in ("192.0.2.10", "192.0.2.11", "192.0.2.1"))
FA1, FA2, FA3 = (IPv4Address(a) for a in ("198.51.100.1", "198.51.100.65", "203.0.113.1"))
KEY = SecurityAssociation(256, b"0123456789abcdef")
FOREIGN_KEY = SecurityAssociation(300, b"fedcba9876543210")
START = 1_700_000_000 * SECOND
CONFIG = HomeAgentConfig(AGENT, {HOME: KEY, OTHER: KEY}, max_bindings=2)
HERE = UdpAddress(AGENT, 434)
NO_FLAGS = RequestFlags(0)


def agent(**changes):
    return HomeAgent(replace(CONFIG, **changes), Random(1), START)


def request(care_of=FA1, lifetime=100, now=START, flags=NO_FLAGS, **changes):
    """An authentic request, fresh at `now`."""
    message = RegistrationRequest(flags, lifetime, HOME, AGENT, care_of, timestamp(now))
    return sign(replace(message, **changes), MOBILE_HOME, KEY)


def drain(machine):
    return list(iter(machine.next_action, None))


def ask(machine, message, now=START, source=FA1, link=b""):
    """Send `message`; return the reply and the other actions."""
    machine.receive(message.encode(), UdpAddress(source, 434), HERE, now, link=link)
    *others, last = drain(machine)
    assert isinstance(last, SendUdp)
    assert last.destination == UdpAddress(source, 434)
    return RegistrationReply.decode(last.data), others


def care_of_addresses(machine, home=HOME):
    return [b.care_of_address for b in machine.bindings() if b.home_address == home]


def test_a_registration_is_answered_authentically_with_home_address_and_identification_echoed():
    wanted = request()
    reply, _ = ask(agent(), wanted)
    assert (reply.code, reply.home_address, reply.home_agent) == (0, HOME, AGENT)
    assert reply.identification == wanted.identification
    assert verify(reply, MOBILE_HOME, KEY)


def test_five_hours_asked_three_granted():
    machine = agent(max_lifetime=3 * 3600)
    reply, _ = ask(machine, request(lifetime=5 * 3600))
    assert reply.lifetime == 3 * 3600
    assert machine.bindings()[0].expires == START + 3 * 3600 * SECOND


def test_no_more_is_granted_than_was_asked():
    assert ask(agent(), request(lifetime=60))[0].lifetime == 60


def test_an_infinite_lifetime_never_expires():
    machine = agent(max_lifetime=0xFFFF)
    assert ask(machine, request(lifetime=0xFFFF))[0].lifetime == 0xFFFF
    assert machine.timer() is None
    machine.handle_timer(START + 10**9 * SECOND)
    assert care_of_addresses(machine) == [FA1]


def test_departure_adds_a_tunnel_proxy_arp_and_gratuitous_arp():
    _, actions = ask(agent(), request())
    assert actions == [AddTunnel(HOME, FA1), ProxyArp(HOME, on=True), GratuitousArp(HOME)]


def test_gre_reverse_and_broadcast_bits_reach_the_tunnel():
    flags = RequestFlags.G | RequestFlags.T | RequestFlags.B
    _, actions = ask(agent(), request(flags=flags))
    assert actions[0] == AddTunnel(HOME, FA1, Encapsulation.GRE, reverse=True, broadcast=True)


def test_a_renewal_changes_nothing_but_the_lifetime():
    machine = agent()
    ask(machine, request())
    later = START + 50 * SECOND
    reply, actions = ask(machine, request(now=later), later)
    assert (reply.code, actions) == (0, [])
    assert machine.bindings()[0].expires == later + 100 * SECOND


def test_a_move_replaces_the_tunnel():
    machine = agent()
    ask(machine, request())
    _, actions = ask(machine, request(FA2, now=START + 1), START + 1)
    assert actions == [RemoveTunnel(HOME, FA1), AddTunnel(HOME, FA2)]
    assert care_of_addresses(machine) == [FA2]


def test_simultaneous_bindings_are_kept_up_to_the_limit_and_then_denied_with_135():
    machine = agent(max_bindings=2)
    codes = [
        ask(machine, request(a, now=START + i, flags=RequestFlags.S), START + i)[0].code
        for i, a in enumerate((FA1, FA2, FA3))
    ]
    assert codes == [0, 0, 135]
    assert care_of_addresses(machine) == [FA1, FA2]


def test_without_support_simultaneous_bindings_are_accepted_with_1_and_replace():
    machine = agent(max_bindings=1)
    ask(machine, request())
    assert ask(machine, request(FA2, now=START + 1, flags=RequestFlags.S), START + 1)[0].code == 1
    assert care_of_addresses(machine) == [FA2]


def test_deregistering_one_care_of_address_leaves_the_other():
    machine = agent()
    for i, address in enumerate((FA1, FA2)):
        ask(machine, request(address, now=START + i, flags=RequestFlags.S), START + i)
    reply, actions = ask(machine, request(FA1, 0, START + 2), START + 2)
    assert (reply.code, reply.lifetime, actions) == (0, 0, [RemoveTunnel(HOME, FA1)])
    assert care_of_addresses(machine) == [FA2]


def test_return_home_removes_all_and_announces_the_mobile_nodes_own_link_layer_address():
    machine = agent()
    for i, address in enumerate((FA1, FA2)):
        ask(machine, request(address, now=START + i, flags=RequestFlags.S), START + i)
    reply, actions = ask(machine, request(HOME, 0, START + 2), START + 2, source=HOME, link=b"mobile")
    assert (reply.code, reply.lifetime) == (0, 0)
    assert actions == [
        RemoveTunnel(HOME, FA1),
        RemoveTunnel(HOME, FA2),
        ProxyArp(HOME, on=False),
        GratuitousArp(HOME, of_mobile_node=True, link=b"mobile"),
    ]


def test_deregistering_the_only_care_of_address_from_afar_ends_proxy_arp():
    machine = agent()
    ask(machine, request())
    _, actions = ask(machine, request(FA1, 0, START + 1), START + 1)
    assert actions == [RemoveTunnel(HOME, FA1), ProxyArp(HOME, on=False)]


def test_deregistering_what_is_not_bound_is_accepted():
    assert ask(agent(), request(FA1, 0))[0].code == 0


def test_a_binding_ends_exactly_when_its_lifetime_does():
    machine = agent()
    ask(machine, request(lifetime=100))
    assert machine.timer() == START + 100 * SECOND
    machine.handle_timer(START + 100 * SECOND - 1)
    assert care_of_addresses(machine) == [FA1]
    machine.handle_timer(START + 100 * SECOND)
    assert machine.bindings() == []
    assert drain(machine) == [RemoveTunnel(HOME, FA1), ProxyArp(HOME, on=False)]


DENIALS = {
    "131 wrong key": (131, {}, sign(replace(request(), extensions=()), MOBILE_HOME, FOREIGN_KEY)),
    "132 foreign agent unauthenticated": (132, {"foreign_agents": {FA1: FOREIGN_KEY}}, request()),
    "133 too old": (133, {}, request(now=START - 8 * SECOND)),
    "133 too new": (133, {}, request(now=START + 8 * SECOND)),
    "134 reserved r bit": (134, {}, request(flags=RequestFlags.R)),
    "134 reserved x bit": (134, {}, request(flags=RequestFlags.X)),
    "134 care-of address is the home agent": (134, {}, request(AGENT)),
    "134 home address as care-of address with a lifetime": (134, {}, request(HOME)),
    "136 another home agent": (136, {}, request(home_agent=IPv4Address("192.0.2.255"))),
    "129 barred": (129, {"barred": frozenset({HOME})}, request()),
    "130 full": (130, {"capacity": 0}, request()),
    "137 no reverse tunnels": (137, {"reverse": Reverse.UNAVAILABLE}, request(flags=RequestFlags.T)),
    "138 reverse tunnel mandatory": (138, {"reverse": Reverse.MANDATORY}, request()),
    "139 minimal encapsulation": (139, {}, request(flags=RequestFlags.M)),
    "139 no GRE": (139, {"encapsulations": frozenset({Encapsulation.IPIP})}, request(flags=RequestFlags.G)),
}


@pytest.mark.parametrize(("code", "changes", "message"), DENIALS.values(), ids=DENIALS)
def test_a_denied_request_gets_its_code_and_changes_nothing(code, changes, message):
    machine = agent(**changes)
    reply, actions = ask(machine, message)
    assert (reply.code, reply.lifetime) == (code, 0)
    assert (machine.bindings(), actions) == ([], [])


@pytest.mark.parametrize(
    "message",
    [replace(request(), extensions=()), request(home_address=IPv4Address("192.0.2.99"))],
    ids=["no authenticator", "unknown mobile node"],
)
def test_a_request_that_nothing_vouches_for_gets_no_answer(message):
    machine = agent()
    machine.receive(message.encode(), UdpAddress(FA1, 434), HERE, START)
    assert (machine.bindings(), drain(machine)) == ([], [])


@pytest.mark.parametrize(
    "message",
    [request(FA1, 0), request(HOME, 0), request(IPv4Address("198.51.100.10"))],
    ids=["deregistration of one", "deregistration of all", "a care-of address that isn't the agent's"],
)
def test_the_foreign_agents_authenticator_is_not_asked_for_where_it_may_not_be(message):
    reply, _ = ask(agent(foreign_agents={FA1: FOREIGN_KEY}), message)
    assert reply.code == 0
    assert verify(reply, FOREIGN_HOME, FOREIGN_KEY) == (message.lifetime > 0)


def test_136_names_the_home_agents_address():
    assert ask(agent(), request(home_agent=IPv4Address("192.0.2.255")))[0].home_agent == AGENT


def test_a_request_with_the_foreign_agents_authenticator_is_accepted_and_the_reply_carries_one():
    machine = agent(foreign_agents={FA1: FOREIGN_KEY})
    reply, _ = ask(machine, sign(request(), FOREIGN_HOME, FOREIGN_KEY))
    assert reply.code == 0
    assert verify(reply, FOREIGN_HOME, FOREIGN_KEY)


def test_a_replayed_request_gets_133_and_changes_nothing():
    machine = agent()
    old = request(FA1)
    ask(machine, old)
    ask(machine, request(FA2, now=START + SECOND), START + SECOND)
    before = machine.bindings()
    reply, actions = ask(machine, old, START + 2 * SECOND)
    assert (reply.code, actions, machine.bindings()) == (133, [], before)


def test_a_replayed_deregistration_gets_133_and_changes_nothing():
    machine = agent()
    old = request(HOME, 0)
    ask(machine, old)
    ask(machine, request(FA1, now=START + SECOND), START + SECOND)
    assert ask(machine, old, START + 2 * SECOND)[0].code == 133
    assert care_of_addresses(machine) == [FA1]


@pytest.mark.parametrize("seconds", [-7, 7])
def test_a_timestamp_at_the_edge_of_the_window_is_valid(seconds):
    assert ask(agent(), request(now=START + seconds * SECOND))[0].code == 0


def test_133_carries_the_home_agents_seconds_and_the_requests_low_order_bits():
    stale = request(now=START - 3600 * SECOND + 123_456_789)
    reply, _ = ask(agent(), stale)
    assert high(reply.identification) == high(timestamp(START))
    assert low(reply.identification) == low(stale.identification)


def test_timestamps_compare_across_the_end_of_the_era():
    rollover = (2**32 - 2_208_988_800) * SECOND
    guard = TimestampGuard()
    assert high(timestamp(rollover)) == 0
    assert guard.check(timestamp(rollover - SECOND), rollover - SECOND).valid
    assert guard.check(timestamp(rollover + SECOND), rollover).valid


def test_timestamps_rise_even_when_the_clock_does_not():
    source = TimestampSource(Random(3))
    first, second = source.next(START), source.next(START - SECOND)
    assert ahead(second, first) > 0


def test_nonces_deny_the_first_request_with_a_nonce_that_the_next_one_needs():
    machine = agent(replay=ReplayProtection.NONCES)
    first, _ = ask(machine, request(identification=join(5, 1)))
    assert first.code == 133
    second, _ = ask(machine, request(identification=join(high(first.identification), 2)))
    assert (second.code, low(second.identification)) == (0, 2)
    replayed, _ = ask(machine, request(identification=join(high(first.identification), 2)))
    assert replayed.code == 133
    assert high(replayed.identification) != high(second.identification)


def test_what_cannot_be_decoded_is_discarded_in_silence_and_recorded():
    machine = agent()
    machine.receive(request().encode()[:-1], UdpAddress(FA1, 434), HERE, START)
    assert machine.next_action() is None
    assert isinstance(machine.next_event(), MipDiscarded)


ADVERTISING = Advertising(IPv4Interface("192.0.2.1/24"), AgentFlags.H, 10800)


def test_sequence_numbers_start_at_0_and_roll_over_to_256():
    assert Advertiser(ADVERTISING, START).due(START).mobility.sequence == 0
    assert [following(n) for n in (0, 255, 0xFFFE, 0xFFFF)] == [1, 256, 0xFFFF, 256]


def test_solicitations_are_answered_but_never_more_than_once_a_second():
    machine = agent(advertising=replace(ADVERTISING, interval=10 * SECOND, lifetime=30))
    sent = []
    for tick in range(100):
        now = START + tick * SECOND // 10
        machine.receive_icmp(AgentSolicitation().encode(), HOME, now)
        if machine.timer() <= now:
            machine.handle_timer(now)
            sent += [(now, a) for a in drain(machine)]
    times = [t for t, _ in sent]
    assert times == [START + i * SECOND for i in range(10)]
    assert all(isinstance(a, SendIcmp) for _, a in sent)
    numbers = [AgentAdvertisement.decode(a.data).mobility.sequence for _, a in sent]
    assert numbers == list(range(10))
