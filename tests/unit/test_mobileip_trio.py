"""A mobile node, two foreign agents and a home agent on a wire that drops, delays, duplicates and reorders."""

import heapq
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface
from itertools import count, pairwise
from random import Random

import pytest

from roamlab.protocols.mobileip.actions import (
    AddTunnel,
    AddVisitor,
    AnswerArp,
    Decapsulate,
    Encapsulation,
    GratuitousArp,
    ProxyArp,
    RemoveTunnel,
    RemoveVisitor,
    RestoreHomeRoute,
    SendIcmp,
    SendUdp,
    SetDefaultRoute,
)
from roamlab.protocols.mobileip.admission import HomeAgentConfig
from roamlab.protocols.mobileip.advertisement import ALL_HOSTS, AgentFlags
from roamlab.protocols.mobileip.advertiser import Advertising
from roamlab.protocols.mobileip.authentication import SecurityAssociation
from roamlab.protocols.mobileip.foreign_agent import ForeignAgent, ForeignAgentConfig
from roamlab.protocols.mobileip.home_agent import HomeAgent
from roamlab.protocols.mobileip.identification import SECOND, ReplayProtection
from roamlab.protocols.mobileip.mobile_node import MobileNode
from roamlab.protocols.mobileip.movement import Movement
from roamlab.protocols.mobileip.registering import MobileNodeConfig
from roamlab.protocols.mobileip.registration import RegistrationRequest, RequestFlags
from roamlab.protocols.mobileip.roaming import TRANSITIONS, RoamingInput, RoamingState, RoamingStep
from roamlab.record.mobile_ip_events import MipAgentRebooted, MipDenied, MipExpired

HOME, AGENT = IPv4Address("192.0.2.10"), IPv4Address("192.0.2.1")
FA1, FA2 = IPv4Address("198.51.100.1"), IPv4Address("203.0.113.1")
CARE_OF = IPv4Interface("203.0.113.77/24")
KEY, FOREIGN, VISITING = (SecurityAssociation(n, bytes([n - 256]) * 16) for n in (256, 257, 258))
START = 1_700_000_000 * SECOND
MS = SECOND // 1000
MN_LINK = b"mobile"

HA_CONFIG = HomeAgentConfig(
    AGENT, {HOME: KEY}, advertising=Advertising(IPv4Interface((AGENT, 24)), AgentFlags.H, 0xFFFF)
)

MN_CONFIG = MobileNodeConfig(HOME, AGENT, KEY, lifetime=60)


def fa_config(address):
    advertising = Advertising(IPv4Interface((address, 24)), AgentFlags.F, 36000, (address,))
    return ForeignAgentConfig(address, advertising)


@dataclass
class World:
    """All four nodes, and the wire between them; `skew` is how far the mobile node's clock is ahead, in ns."""

    mn: MobileNodeConfig = MN_CONFIG
    ha: HomeAgentConfig = HA_CONFIG
    fa: ForeignAgentConfig = field(default_factory=lambda: fa_config(FA1))
    seed: int = 0
    loss: float = 0.0
    duplicates: float = 0.0
    delay: tuple[int, int] = (5 * MS, 5 * MS)
    skew: int = 0

    def __post_init__(self):
        self.now = START
        self.random = Random(self.seed)
        self.home_agent = HomeAgent(self.ha, Random(1), START)
        self.agents = {a: ForeignAgent(replace(fa_config(a)), START) for a in (FA1, FA2)}
        self.agents[FA1] = ForeignAgent(self.fa, START)
        self.node = MobileNode(self.mn, Random(2))
        self.place = None
        self.care_of = None
        self.alive = {AGENT, FA1, FA2}
        self.flying = []
        self.serial = count()
        self.actions = []
        self.events = []
        self.cut = False

    def machines(self):
        here = [self.home_agent] if AGENT in self.alive else []
        return [*here, *(f for a, f in self.agents.items() if a in self.alive), self.node]

    def clock(self, machine):
        return self.now + (self.skew if machine is self.node else 0)

    def move(self, place):
        """Take the mobile node from its link and put it on the one of the agent at `place`."""
        if self.place:
            self.node.link_down("wlan0", self.clock(self.node))
        self.place = place
        if place:
            self.node.link_up("wlan0", self.clock(self.node))
        self.settle()

    def run(self, seconds):
        """Let time pass."""
        end = self.now + int(seconds * SECOND)
        while True:
            due = [t - (self.skew if m is self.node else 0) for m in self.machines() if (t := m.timer())]
            if self.flying:
                due.append(self.flying[0][0])
            if not due or min(due) > end:
                break
            self.now = max(self.now, min(due))
            while self.flying and self.flying[0][0] <= self.now:
                heapq.heappop(self.flying)[2]()
                self.settle()
            for machine in self.machines():
                if (t := machine.timer()) is not None and t <= self.clock(machine):
                    machine.handle_timer(self.clock(machine))
            self.settle()
        self.now = end

    def settle(self):
        for machine in self.machines():
            while action := machine.next_action():
                self.actions.append((machine, action))
                self.carry_out(machine, action)
            self.events += [(machine, e) for e in iter(machine.next_event, None)]

    def carry_out(self, machine, action):
        if isinstance(action, SendUdp):
            for _ in range(1 + (self.random.random() < self.duplicates)):
                if self.random.random() >= self.loss:
                    self.later(lambda: self.deliver(machine, action))
        elif isinstance(action, SendIcmp):
            self.later(lambda: self.deliver_icmp(machine, action))

    def later(self, call):
        at = self.now + self.random.randint(*self.delay)
        heapq.heappush(self.flying, (at, next(self.serial), call))

    def address(self, machine):
        return next((a for a, m in [(AGENT, self.home_agent), *self.agents.items()] if m is machine), None)

    def deliver(self, sender, action):
        to = action.destination.address
        if sender is self.node and (self.place is None or (to in self.agents and to != self.place)):
            return
        if to == AGENT and AGENT in self.alive:
            link = MN_LINK if sender is self.node and self.place == AGENT else b""
            self.home_agent.receive(action.data, action.source, action.destination, self.now, link=link)
        elif to in self.agents and to in self.alive:
            link = MN_LINK if sender is self.node else b""
            self.agents[to].receive(
                action.data, action.source, action.destination, self.now, link=link, ttl=action.ttl
            )
        elif to in (HOME, self.care_of) and self.place:
            at_its_link = self.address(sender) == self.place or to == self.care_of
            if at_its_link:
                self.node.receive(action.data, action.source, self.clock(self.node))

    def deliver_icmp(self, sender, action):
        if self.cut:
            return
        if sender is self.node:
            if self.place in self.alive:
                machine = self.home_agent if self.place == AGENT else self.agents[self.place]
                machine.receive_icmp(action.data, HOME, self.now)
        elif self.place == self.address(sender):
            assert action.destination == ALL_HOSTS
            self.node.receive_icmp(
                action.data, self.place, self.clock(self.node), interface="wlan0", link=b"agent"
            )

    def did(self, machine, *kinds):
        return [a for m, a in self.actions if m is machine and isinstance(a, kinds)]

    def told(self, machine, kind):
        return [e for m, e in self.events if m is machine and isinstance(e, kind)]

    def codes(self, machine=None):
        return [e.code for e in self.told(machine or self.node, MipDenied)]

    def requests(self):
        return [RegistrationRequest.decode(a.data) for a in self.did(self.node, SendUdp)]

    def bound_to(self):
        return [b.care_of_address for b in self.home_agent.bindings()]


def test_registration_through_a_foreign_agent():
    world = World()
    world.move(FA1)
    world.run(2)
    assert world.node.state is RoamingState.REGISTERED
    assert world.bound_to() == [FA1]
    assert [v.home_address for v in world.agents[FA1].visitors()] == [HOME]
    assert world.did(world.home_agent, AddTunnel) == [AddTunnel(HOME, FA1)]
    routes = world.did(world.agents[FA1], Decapsulate, AddVisitor)
    assert routes == [
        Decapsulate(FA1, Encapsulation.IPIP, on=True),
        AddVisitor(HOME, MN_LINK, AGENT, FA1),
    ]
    assert world.did(world.node, AnswerArp, SetDefaultRoute) == [
        AnswerArp(HOME, on=False),
        SetDefaultRoute(FA1, "wlan0", b"agent"),
    ]


def test_the_foreign_agent_relays_request_and_reply_unchanged():
    world = World()
    world.move(FA1)
    world.run(2)
    asked = world.did(world.node, SendUdp)[0].data
    answered = world.did(world.home_agent, SendUdp)[0].data
    assert [a.data for a in world.did(world.agents[FA1], SendUdp)] == [asked, answered]


def test_every_pair_may_share_a_security_association():
    fa = replace(fa_config(FA1), mobile_nodes={HOME: VISITING}, home_agents={AGENT: FOREIGN})
    mn = replace(MN_CONFIG, foreign_agents={FA1: VISITING})
    world = World(mn=mn, fa=fa, ha=replace(HA_CONFIG, foreign_agents={FA1: FOREIGN}))
    world.move(FA1)
    world.run(2)
    kinds = [[e.type for e in r.extensions] for r in world.requests()]
    assert (world.node.state, kinds) == (RoamingState.REGISTERED, [[32, 33]])
    relayed = RegistrationRequest.decode(world.did(world.agents[FA1], SendUdp)[0].data)
    assert [e.type for e in relayed.extensions] == [32, 34]


def test_a_move_replaces_the_binding_and_the_old_visitor_expires():
    world = World()
    world.move(FA1)
    world.run(2)
    world.move(FA2)
    world.run(2)
    assert world.bound_to() == [FA2]
    assert len(world.agents[FA1].visitors()) == 1
    world.run(60)
    assert world.agents[FA1].visitors() == []
    assert world.did(world.agents[FA1], RemoveVisitor) == [RemoveVisitor(HOME)]
    assert world.did(world.agents[FA1], Decapsulate)[-1] == Decapsulate(FA1, Encapsulation.IPIP, on=False)
    assert world.bound_to() == [FA2]


def test_return_home_deregisters_all_and_arp_follows():
    world = World()
    world.move(FA1)
    world.run(2)
    world.actions.clear()
    world.move(AGENT)
    world.run(2)
    assert (world.node.state, world.bound_to()) == (RoamingState.AT_HOME, [])
    arp = (ProxyArp, GratuitousArp, AnswerArp, RestoreHomeRoute, RemoveTunnel)
    assert world.did(world.node, *arp) == [
        RestoreHomeRoute("wlan0"),
        AnswerArp(HOME, on=True),
        GratuitousArp(HOME),
    ]
    assert world.did(world.home_agent, *arp) == [
        RemoveTunnel(HOME, FA1),
        ProxyArp(HOME, on=False),
        GratuitousArp(HOME, of_mobile_node=True, link=MN_LINK),
    ]


def test_a_node_that_starts_at_home_sends_no_request():
    world = World()
    world.move(AGENT)
    world.run(5)
    assert (world.node.state, world.requests()) == (RoamingState.AT_HOME, [])


def test_five_hours_asked_three_granted_and_renewed_before_they_end():
    world = World(mn=replace(MN_CONFIG, lifetime=18000))
    world.move(FA1)
    world.run(5)
    assert world.node.registration.lifetime == 10800
    assert world.home_agent.bindings()[0].lifetime == 10800
    assert world.node.registration.expires <= world.home_agent.bindings()[0].expires
    assert world.node.registration.renew < world.node.registration.expires


def test_the_registration_is_renewed_without_a_gap():
    world = World(mn=replace(MN_CONFIG, lifetime=8))
    world.move(FA1)
    world.run(100)
    assert world.told(world.home_agent, MipExpired) == []
    assert len(world.requests()) == pytest.approx(100 / 6, abs=1)


def test_without_a_reply_requests_are_repeated_with_doubling_waits_and_new_identifications():
    world = World(loss=1.0)
    world.move(FA1)
    sent = []
    for _ in range(400):
        world.run(0.1)
        sent += [world.now] * (len(world.requests()) - len(sent))
    gaps = [round((b - a) / SECOND) for a, b in pairwise(sent)]
    assert gaps == [1, 2, 4, 8, 16]
    identifications = [r.identification for r in world.requests()]
    assert identifications == sorted(set(identifications))


def test_under_nonces_a_request_is_repeated_unchanged():
    world = World(loss=1.0, mn=replace(MN_CONFIG, replay=ReplayProtection.NONCES))
    world.move(FA1)
    world.run(10)
    assert len(world.requests()) > 2
    assert len(set(world.requests())) == 1


def test_a_lifetime_that_runs_out_ends_binding_visitor_and_registration():
    world = World(mn=replace(MN_CONFIG, lifetime=20))
    world.move(FA1)
    world.run(2)
    world.loss = 1.0
    world.run(25)
    assert (world.bound_to(), world.agents[FA1].visitors()) == ([], [])
    assert world.node.registration is None
    assert world.node.state is RoamingState.REGISTERING
    assert RemoveTunnel(HOME, FA1) in world.did(world.home_agent, RemoveTunnel)


def test_the_home_agents_death_is_survived_by_registering_again_when_it_is_back():
    world = World(mn=replace(MN_CONFIG, lifetime=10))
    world.move(FA1)
    world.run(2)
    world.alive.discard(AGENT)
    world.run(30)
    assert world.node.registration is None
    world.home_agent = HomeAgent(HA_CONFIG, Random(1), world.now)
    world.alive.add(AGENT)
    world.run(40)
    assert world.bound_to() == [FA1]


def test_a_foreign_agent_that_starts_again_is_registered_with_again():
    world = World()
    world.move(FA1)
    world.run(5)
    world.agents[FA1] = ForeignAgent(world.fa, world.now)
    world.run(1)
    assert world.told(world.node, MipAgentRebooted)
    assert len(world.agents[FA1].visitors()) == 1


def test_a_full_agent_says_that_it_is_busy_and_is_left_alone_by_newcomers():
    world = World(fa=replace(fa_config(FA1), capacity=0))
    world.move(FA1)
    world.run(5)
    assert (world.node.state, world.requests()) == (RoamingState.SEARCHING, [])


def test_a_simultaneous_binding_keeps_the_old_one():
    world = World(
        mn=replace(MN_CONFIG, flags=RequestFlags.S, lifetime=300), ha=replace(HA_CONFIG, max_bindings=2)
    )
    for place in (FA1, FA2):
        world.move(place)
        world.run(2)
    assert world.bound_to() == [FA1, FA2]
    world.move(AGENT)
    world.run(2)
    assert world.bound_to() == []


def test_the_table_reaches_every_state_and_uses_every_step():
    assert {state for state, _ in TRANSITIONS.values()} == set(RoamingState)
    assert {step for _, steps in TRANSITIONS.values() for step in steps} == set(RoamingStep)


def test_every_waiting_state_ends_by_itself():
    waiting = {
        RoamingState.REGISTERING,
        RoamingState.RENEWING,
        RoamingState.HELD,
        RoamingState.DEREGISTERING,
        RoamingState.WITHDRAWING,
    }
    assert all((state, RoamingInput.TIMEOUT) in TRANSITIONS for state in waiting)


@pytest.mark.parametrize("replay", ReplayProtection)
@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_wire_does_all_agree_in_the_end(seed, replay):
    """A bad wire for two minutes of moves, then a good one: one binding, where the node is, and the node knows it."""
    world = World(
        mn=replace(MN_CONFIG, lifetime=20, replay=replay, movement=list(Movement)[seed % 3]),
        ha=replace(HA_CONFIG, replay=replay),
        seed=seed,
        loss=0.25,
        duplicates=0.25,
        delay=(1 * MS, 700 * MS),
    )
    for place in world.random.choices((FA1, FA2, AGENT), k=12):
        world.move(place)
        world.run(world.random.uniform(1, 20))
    last = world.random.choice((FA1, FA2, AGENT))
    world.move(last)
    world.loss = world.duplicates = 0.0
    world.delay = (5 * MS, 5 * MS)
    world.run(70)
    if last == AGENT:
        assert (world.node.state, world.bound_to()) == (RoamingState.AT_HOME, [])
    else:
        assert world.bound_to() == [last]
        assert world.node.registration.attachment.care_of_address == last
        assert [v.home_address for v in world.agents[last].visitors()] == [HOME]
