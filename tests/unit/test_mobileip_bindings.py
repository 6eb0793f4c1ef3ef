"""Invariants of the home agent's mobility binding table under whatever comes, found by hypothesis."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from roamlab.protocols.mobileip.actions import (
    AddTunnel,
    ProxyArp,
    RemoveTunnel,
    SendUdp,
    UdpAddress,
)
from roamlab.protocols.mobileip.authentication import sign
from roamlab.protocols.mobileip.extensions import MOBILE_HOME
from roamlab.protocols.mobileip.identification import (
    SECOND,
    ReplayProtection,
    high,
    join,
    timestamp,
)
from roamlab.protocols.mobileip.registration import RegistrationReply, RequestFlags
from tests.unit.test_mobileip_home_agent import (
    FA1,
    FA2,
    FA3,
    FOREIGN_KEY,
    HERE,
    HOME,
    NO_FLAGS,
    OTHER,
    START,
    agent,
    care_of_addresses,
    drain,
    request,
)


class BindingTableMachine(RuleBasedStateMachine):
    """Whatever mobile nodes, attackers and time do, the shell's tunnels are the table's bindings, and ARP follows."""

    @initialize(most=st.integers(1, 3), replay=st.sampled_from(ReplayProtection))
    def start(self, most, replay):
        self.now = START
        self.agent = agent(max_bindings=most, max_lifetime=50, replay=replay)
        self.nonce = dict.fromkeys((HOME, OTHER), 0)
        self.serial = 0
        self.heard = []
        self.tunnels = set()
        self.proxied = set()

    homes = st.sampled_from((HOME, OTHER))
    places = st.sampled_from((FA1, FA2, FA3))
    flag_sets = st.sampled_from((NO_FLAGS, RequestFlags.S, RequestFlags.G | RequestFlags.S, RequestFlags.X))

    def send(self, message):
        before = self.agent.bindings()
        self.agent.receive(message.encode(), UdpAddress(FA1, 434), HERE, self.now)
        replies = [RegistrationReply.decode(a.data) for a in self.carry_out() if isinstance(a, SendUdp)]
        assert len(replies) == 1
        reply = replies[0]
        if reply.code > 1:
            assert self.agent.bindings() == before
        else:
            assert reply.lifetime <= min(message.lifetime, 50)
        if reply.home_address in self.nonce:
            self.nonce[reply.home_address] = high(reply.identification)
        return reply

    def carry_out(self):
        actions = drain(self.agent)
        for action in actions:
            if isinstance(action, AddTunnel):
                key = (action.home_address, action.care_of_address)
                self.tunnels = {t for t in self.tunnels if t[:2] != key} | {(*key, action.encapsulation)}
            elif isinstance(action, RemoveTunnel):
                gone = (action.home_address, action.care_of_address)
                assert gone in {t[:2] for t in self.tunnels}
                self.tunnels = {t for t in self.tunnels if t[:2] != gone}
            elif isinstance(action, ProxyArp):
                (self.proxied.add if action.on else self.proxied.discard)(action.home_address)
        return actions

    def fresh(self, home, care_of, lifetime, flags=NO_FLAGS):
        self.serial += 1
        identification = timestamp(self.now) + self.serial
        if self.agent.config.replay is ReplayProtection.NONCES:
            identification = join(self.nonce[home], self.serial)
        return request(care_of, lifetime, flags=flags, home_address=home, identification=identification)

    @rule(home=homes, care_of=places, lifetime=st.integers(1, 100), flags=flag_sets)
    def register(self, home, care_of, lifetime, flags):
        message = self.fresh(home, care_of, lifetime, flags)
        self.heard.append(message)
        if self.send(message).code <= 1:
            assert care_of in care_of_addresses(self.agent, home)

    @rule(home=homes, care_of=places, all_of_them=st.booleans())
    def deregister(self, home, care_of, all_of_them):
        message = self.fresh(home, home if all_of_them else care_of, 0)
        self.heard.append(message)
        if self.send(message).code == 0:
            assert care_of not in care_of_addresses(self.agent, home)
            assert not (all_of_them and care_of_addresses(self.agent, home))

    @rule(data=st.data())
    def replay(self, data):
        if self.heard:
            assert self.send(data.draw(st.sampled_from(self.heard))).code in (133, 134)

    @rule(home=homes, care_of=places)
    def forge(self, home, care_of):
        forged = replace(self.fresh(home, care_of, 50), extensions=())
        assert self.send(sign(forged, MOBILE_HOME, FOREIGN_KEY)).code == 131

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds):
        self.now += seconds * SECOND
        while (due := self.agent.timer()) is not None and due <= self.now:
            self.agent.handle_timer(due)
            self.carry_out()

    @invariant()
    def tunnels_are_the_bindings(self):
        table = self.agent.bindings()
        assert self.tunnels == {(b.home_address, b.care_of_address, b.encapsulation) for b in table}

    @invariant()
    def proxy_arp_is_on_for_those_away(self):
        assert self.proxied == {b.home_address for b in self.agent.bindings()}

    @invariant()
    def no_binding_outlives_its_lifetime(self):
        assert all(self.now < b.expires <= self.now + 50 * SECOND for b in self.agent.bindings())

    @invariant()
    def no_home_address_has_more_bindings_than_allowed(self):
        for home in (HOME, OTHER):
            assert len(care_of_addresses(self.agent, home)) <= self.agent.config.max_bindings


TestBindingTable = BindingTableMachine.TestCase
TestBindingTable.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
