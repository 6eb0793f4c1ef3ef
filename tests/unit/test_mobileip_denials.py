"""What agents deny, with which code, and how the mobile node reacts; replies that count for nothing."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from roamlab.protocols.mobileip.actions import (
    Encapsulation,
    SendUdp,
    UdpAddress,
)
from roamlab.protocols.mobileip.authentication import sign, verify
from roamlab.protocols.mobileip.codes import describe
from roamlab.protocols.mobileip.extensions import ENCAPSULATING_DELIVERY, FOREIGN_HOME, MOBILE_HOME, Extension
from roamlab.protocols.mobileip.foreign_agent import ForeignAgent
from roamlab.protocols.mobileip.identification import SECOND, ReplayProtection
from roamlab.protocols.mobileip.policy import Reverse
from roamlab.protocols.mobileip.registration import (
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    decode_registration,
)
from roamlab.protocols.mobileip.roaming import RoamingState
from roamlab.record.mobile_ip_events import MipDiscarded
from tests.unit.test_mobileip_trio import (
    AGENT,
    FA1,
    FA2,
    FOREIGN,
    HA_CONFIG,
    HOME,
    KEY,
    MN_CONFIG,
    MN_LINK,
    START,
    VISITING,
    World,
    fa_config,
)


@pytest.mark.parametrize("skew", [-3600, -9, 9, 3600])
def test_a_wrong_clock_is_corrected_by_133(skew):
    world = World(skew=skew * SECOND)
    world.move(FA1)
    world.run(3)
    assert world.codes() == [133]
    assert (world.node.state, world.bound_to()) == (RoamingState.REGISTERED, [FA1])


def test_nonces_synchronise_by_133():
    world = World(
        mn=replace(MN_CONFIG, replay=ReplayProtection.NONCES),
        ha=replace(HA_CONFIG, replay=ReplayProtection.NONCES),
    )
    world.move(FA1)
    world.run(100)
    assert world.codes() == [133]
    assert world.node.state is RoamingState.REGISTERED


def test_a_lifetime_too_long_for_the_foreign_agent_is_shortened():
    fa = fa_config(FA1)
    world = World(fa=replace(fa, advertising=replace(fa.advertising, registration_lifetime=30)))
    world.move(FA1)
    world.run(2)
    assert (world.codes(), world.node.registration.lifetime) == ([], 30)


def test_69_shortens_the_lifetime_when_the_advertisement_had_promised_more():
    world = World(fa=replace(fa_config(FA1), max_lifetime=30))
    world.move(FA1)
    world.run(60)
    assert (world.codes(), world.node.registration.lifetime) == ([69], 30)


def test_an_unknown_home_agent_is_replaced_by_the_one_that_136_names():
    world = World(mn=replace(MN_CONFIG, home_agent=IPv4Address("192.0.2.255")))
    deliver = world.deliver

    def directed_broadcast(sender, action):
        if action.destination.address == IPv4Address("192.0.2.255"):
            action = replace(action, destination=UdpAddress(AGENT, 434))
        deliver(sender, action)

    world.deliver = directed_broadcast
    world.move(FA1)
    world.run(2)
    assert (world.codes(), world.bound_to()) == ([136], [FA1])


def test_a_forged_reply_is_discarded():
    world = World(loss=1.0)
    world.move(FA1)
    world.run(0.5)
    asked = world.requests()[-1]
    forged = RegistrationReply(0, 60, HOME, AGENT, asked.identification)
    world.node.receive(forged.encode(), UdpAddress(FA1, 434), world.now)
    world.settle()
    assert world.node.registration is None
    assert "authenticator" in world.told(world.node, MipDiscarded)[-1].why


def test_a_reply_that_nobody_waits_for_is_not_relayed():
    world = World()
    world.move(FA1)
    world.run(2)
    answered = world.did(world.home_agent, SendUdp)[0]
    world.actions.clear()
    world.agents[FA1].receive(answered.data, answered.source, answered.destination, world.now)
    world.settle()
    assert world.did(world.agents[FA1], SendUdp) == []


REFUSED = {
    "72 no GRE": (72, {"encapsulations": frozenset({Encapsulation.IPIP})}, RequestFlags.G, RequestFlags(0)),
    "74 no reverse tunnel": (74, {"reverse": Reverse.UNAVAILABLE}, RequestFlags.T, RequestFlags(0)),
    "75 reverse tunnel mandatory": (75, {"reverse": Reverse.MANDATORY}, RequestFlags(0), RequestFlags.T),
}


@pytest.mark.parametrize(("code", "changes", "asked", "settled"), REFUSED.values(), ids=REFUSED)
def test_bits_that_the_foreign_agent_refuses_are_corrected(code, changes, asked, settled):
    world = World(mn=replace(MN_CONFIG, flags=asked), fa=replace(fa_config(FA1), **changes))
    world.move(FA1)
    world.run(2)
    assert (world.codes(), world.requests()[-1].flags) == ([code], settled)
    assert world.node.state is RoamingState.REGISTERED


HELD = {
    "65 barred": (65, {"barred": frozenset({HOME})}),
    "66 no room": (66, {"max_pending": 0}),
    "67 mobile node unauthenticated": (67, {"mobile_nodes": {HOME: VISITING}}),
    "68 home agent unauthenticated": (68, {"home_agents": {AGENT: FOREIGN}}),
}


@pytest.mark.parametrize(("code", "changes"), HELD.values(), ids=HELD)
def test_other_denials_are_asked_again_after_the_back_off(code, changes):
    world = World(fa=replace(fa_config(FA1), **changes))
    world.move(FA1)
    world.run(8.5)
    assert set(world.codes()) == {code}
    assert len(world.requests()) == 4  # at 0, 1, 3 and 7 s
    assert world.agents[FA1].visitors() == []
    assert world.node.state in (RoamingState.HELD, RoamingState.REGISTERING)


def test_76_a_reverse_tunnel_asked_for_from_behind_a_router():
    world = World(mn=replace(MN_CONFIG, flags=RequestFlags.T))
    world.move(FA1)
    world.run(2)
    request = world.did(world.node, SendUdp)[0]
    assert request.ttl == 255
    world.agents[FA1].receive(request.data, request.source, request.destination, world.now, ttl=254)
    reply = RegistrationReply.decode(world.agents[FA1].next_action().data)
    assert (reply.code, reply.home_address) == (76, HOME)


def test_77_a_care_of_address_that_is_not_the_agents():
    world = World()
    world.move(FA1)
    world.run(2)
    request = world.did(world.node, SendUdp)[0]
    world.agents[FA2].receive(request.data, request.source, request.destination, world.now)
    replies = [a for a in iter(world.agents[FA2].next_action, None) if isinstance(a, SendUdp)]
    assert [RegistrationReply.decode(a.data).code for a in replies] == [77]


def relayed(request):
    """What a foreign agent that has an association with the home agent makes of a request."""
    agent = ForeignAgent(replace(fa_config(FA1), home_agents={AGENT: FOREIGN}), START)
    agent.receive(request.encode(), UdpAddress(HOME, 434), UdpAddress(FA1, 434), START, link=MN_LINK)
    sent = agent.next_action()
    return decode_registration(sent.data), sent.destination.address


@pytest.mark.parametrize(
    ("flags", "lifetime", "care_of", "signed"),
    [
        (RequestFlags(0), 60, FA1, True),
        (RequestFlags(0), 0, FA1, False),
        (RequestFlags(0), 0, FA2, False),
        (RequestFlags.D, 60, IPv4Address("198.51.100.10"), False),
    ],
    ids=["registration", "deregistration", "deregistration of another agent's", "co-located"],
)
def test_only_registrations_of_its_own_care_of_address_get_the_foreign_agents_authenticator(
    flags, lifetime, care_of, signed
):
    request = sign(RegistrationRequest(flags, lifetime, HOME, AGENT, care_of, 1), MOBILE_HOME, KEY)
    message, to = relayed(request)
    assert to == AGENT
    assert message.extensions[: len(request.extensions)] == request.extensions
    assert verify(message, FOREIGN_HOME, FOREIGN) == signed
    assert len(message.extensions) == 1 + signed


def test_194_a_home_agent_address_that_is_the_foreign_agents_own():
    request = sign(RegistrationRequest(RequestFlags(0), 60, HOME, FA1, FA1, 1), MOBILE_HOME, KEY)
    message, to = relayed(request)
    assert (message.code, to) == (194, HOME)
    assert describe(194) == "194 foreign agent: invalid home agent address"


MALFORMED = {
    "70 reserved bit": (70, RequestFlags.X, ()),
    "70 no Mobile-Home authentication": (70, RequestFlags(0), None),
    "79 encapsulating delivery style": (79, RequestFlags(0), (Extension(ENCAPSULATING_DELIVERY),)),
}


@pytest.mark.parametrize(("code", "flags", "more"), MALFORMED.values(), ids=MALFORMED)
def test_what_the_foreign_agent_cannot_relay_is_denied(code, flags, more):
    request = RegistrationRequest(flags, 60, HOME, AGENT, FA1, 1)
    if more is not None:
        request = sign(request, MOBILE_HOME, KEY)
        request = replace(request, extensions=(*request.extensions, *more))
    agent = ForeignAgent(fa_config(FA1), START)
    agent.receive(request.encode(), UdpAddress(HOME, 999), UdpAddress(FA1, 434), START, link=MN_LINK)
    sent = agent.next_action()
    assert RegistrationReply.decode(sent.data).code == code
    assert (sent.destination, sent.link) == (UdpAddress(HOME, 999), MN_LINK)


def test_71_a_reply_without_the_home_agents_authenticator():
    world = World()
    world.move(FA1)
    world.run(0.008)
    asked = world.requests()[0]
    bare = RegistrationReply(0, 60, HOME, AGENT, asked.identification)
    world.agents[FA1].receive(asked.encode(), UdpAddress(HOME, 434), UdpAddress(FA1, 434), world.now)
    world.agents[FA1].receive(bare.encode(), UdpAddress(AGENT, 434), UdpAddress(FA1, 434), world.now)
    world.settle()
    assert world.codes(world.agents[FA1]) == [71]
    assert world.agents[FA1].visitors() == []


def test_a_granted_lifetime_of_zero_is_no_registration():
    world = World(loss=1.0)
    world.move(FA1)
    world.run(0.5)
    nothing = RegistrationReply(0, 0, HOME, AGENT, world.requests()[0].identification)
    world.node.receive(sign(nothing, MOBILE_HOME, KEY).encode(), UdpAddress(FA1, 434), world.now)
    world.settle()
    assert (world.node.state, world.node.registration) == (RoamingState.HELD, None)
    assert len(world.requests()) == 1


def test_78_when_the_home_agent_is_silent():
    world = World()
    world.alive.discard(AGENT)
    world.move(FA1)
    world.run(16)
    assert 78 in world.codes(world.agents[FA1])
    assert world.agents[FA1].visitors() == []


@pytest.mark.parametrize(("icmp", "code"), [(0, 80), (1, 81), (3, 82), (13, 88)])
def test_icmp_errors_from_the_home_agent_are_told(icmp, code):
    world = World()
    world.alive.discard(AGENT)
    world.move(FA1)
    world.run(0.5)
    world.agents[FA1].unreachable(AGENT, icmp, world.now)
    world.settle()
    world.run(0.1)
    assert world.codes() == [code]
