"""The shells of Mobile IP's machines: tunnels shared and taken down, timers kept, failures recorded."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address

import msgspec
import pytest

from roamlab.agents import mobileip_shell
from roamlab.agents.mobileip_settings import foreign_agent_config, home_agent_config, mobile_node_config
from roamlab.agents.mobileip_shell import Shell
from roamlab.agents.tunnels import Tunnel, Tunnels
from roamlab.protocols.mobileip.actions import (
    Encapsulation,
    Outbox,
    ProxyArp,
)
from roamlab.protocols.mobileip.advertisement import AgentFlags
from roamlab.protocols.mobileip.authentication import Algorithm
from roamlab.protocols.mobileip.registration import RequestFlags
from roamlab.record.commands import ServeForeignAgent, ServeHomeAgent, UseMobileIp
from roamlab.record.mobile_ip_events import MipFailed, MipRegistered

HERE, THERE = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")
ONE = Tunnel(HERE, THERE, Encapsulation.IPIP)
OTHER = Tunnel(HERE, THERE, Encapsulation.GRE)


class Devices:
    """Stands for roamlab.agents.routing.Routing: which tunnel devices there are."""

    def __init__(self):
        self.there = {}

    def add_tunnel(self, name, index, encapsulation, local, remote):
        assert index not in {i for i, _ in self.there.values()}
        self.there[name] = (index, Tunnel(local, remote, encapsulation))

    def delete_device(self, name):
        del self.there[name]


def test_equal_tunnels_share_a_device_until_the_last_user_lets_go():
    devices = Devices()
    tunnels = Tunnels(devices)
    assert tunnels.use("a", ONE) == tunnels.use("b", ONE)
    tunnels.release("a")
    assert list(devices.there) == [tunnels.device("b")]
    tunnels.release("b")
    assert devices.there == {}


def test_a_user_that_takes_another_tunnel_lets_go_of_its_first():
    devices = Devices()
    tunnels = Tunnels(devices)
    tunnels.use("a", ONE)
    tunnels.use("a", OTHER)
    assert [tunnel for _, tunnel in devices.there.values()] == [OTHER]


def test_releasing_what_is_not_there_does_nothing():
    tunnels = Tunnels(Devices())
    tunnels.release("nobody")
    assert tunnels.device("nobody") is None


def test_what_a_crashed_agent_left_is_taken_down_and_nothing_else():
    devices = Devices()
    devices.there = {"mip0": None, "eth0": None, "miphost": None}
    Tunnels(devices).clear(list(devices.there))
    assert list(devices.there) == ["eth0", "miphost"]


@dataclass
class Loop:
    """Stands for roamlab.agents.agent.Agent: what is emitted, and what is to be called when."""

    emitted: list = field(default_factory=list)
    timers: list = field(default_factory=list)

    def emit(self, event):
        self.emitted.append(event)

    def at(self, when, action):
        self.timers.append((when, action))


class Machine(Outbox):
    """A machine that wants to be woken at `due`, once."""

    def __init__(self, due=None):
        super().__init__()
        self.due = due
        self.woken = []

    def timer(self):
        return self.due

    def handle_timer(self, now):
        self.woken.append(now)
        self.due = None


@pytest.fixture
def clock(monkeypatch):
    times = [1000]
    monkeypatch.setattr(mobileip_shell, "now_ns", lambda: times[0])
    return times


def test_events_are_recorded_and_then_actions_carried_out(clock):
    loop, machine, done = Loop(), Machine(), []
    machine._do(ProxyArp(HERE, on=True))
    machine._tell(MipRegistered(lifetime=5))
    Shell(loop, machine, done.append).settle()
    assert loop.emitted == [MipRegistered(lifetime=5)]
    assert done == [ProxyArp(HERE, on=True)]


def test_what_the_kernel_refuses_is_recorded_and_the_rest_goes_on(clock):
    loop, machine, done = Loop(), Machine(), []

    def perform(action):
        done.append(action)
        if action.on:
            raise OSError(95, "Operation not supported")

    machine._do(ProxyArp(HERE, on=True), ProxyArp(HERE, on=False))
    Shell(loop, machine, perform).settle()
    assert len(done) == 2
    (failed,) = loop.emitted
    assert isinstance(failed, MipFailed)
    assert failed.action.startswith("ProxyArp home_address=192.0.2.1")


def test_the_timer_is_set_on_the_agents_clock_and_handled_on_the_machines(clock):
    loop, machine = Loop(), Machine(due=5000)
    Shell(loop, machine, print, skew_ns=3000).settle()
    ((when, action),) = loop.timers
    assert when == 2000
    clock[0] = 2000
    action()
    assert machine.woken == [5000]


def test_one_timer_is_enough_until_something_is_due_earlier(clock):
    loop, machine = Loop(), Machine(due=5000)
    shell = Shell(loop, machine, print)
    shell.settle()
    shell.settle()
    machine.due = 4000
    shell.settle()
    assert [when for when, _ in loop.timers] == [5000, 4000]


def test_a_stopped_shell_sleeps_through_its_timers(clock):
    loop, machine = Loop(), Machine(due=5000)
    shell = Shell(loop, machine, print)
    shell.settle()
    shell.stop()
    loop.timers[0][1]()
    assert machine.woken == []


SECURITY = {"spi": 256, "key": "00" * 16, "algorithm": "sha256"}


def test_a_home_agents_settings_as_they_come_in_a_command():
    command = msgspec.json.encode(
        {
            "do": "serve-home-agent",
            "interface": "home",
            "address": "192.0.2.1/24",
            "mobile_nodes": {"192.0.2.10": SECURITY},
            "replay": "nonces",
            "reverse": "unavailable",
            "encapsulations": ["ipip"],
        }
    )
    config = home_agent_config(msgspec.json.decode(command, type=ServeHomeAgent))
    assert config.mobile_nodes[IPv4Address("192.0.2.10")].algorithm is Algorithm.HMAC_SHA256
    assert config.max_lifetime == 10800
    assert config.advertising.flags == AgentFlags.H


def test_a_foreign_agents_address_is_its_care_of_address():
    told = ServeForeignAgent(interface="visited", address="198.51.100.1/25", required=True)
    config = foreign_agent_config(told)
    assert config.advertising.care_of_addresses == (THERE,)
    assert config.advertising.flags == AgentFlags.F | AgentFlags.G | AgentFlags.T | AgentFlags.R


def test_a_mobile_node_asks_for_five_hours_and_what_it_is_set_to():
    settings = {
        "do": "use-mobile-ip",
        "interface": "wlan0",
        "home_address": "192.0.2.10",
        "home_agent": "192.0.2.1",
        "security": SECURITY,
        "encapsulation": "gre",
        "reverse": True,
    }
    config = mobile_node_config(msgspec.convert(settings, UseMobileIp))
    assert config.lifetime == 18000
    assert config.flags == RequestFlags.G | RequestFlags.T
