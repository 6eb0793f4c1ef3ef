"""How the mobile node notices that it moved, solicits, and chooses where to attach."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from roamlab.protocols.mobileip.actions import (
    AddVisitor,
    Decapsulate,
    Encapsulation,
    SendIcmp,
    SetDefaultRoute,
)
from roamlab.protocols.mobileip.advertisement import AgentFlags
from roamlab.protocols.mobileip.movement import Movement
from roamlab.protocols.mobileip.registration import RequestFlags
from roamlab.protocols.mobileip.roaming import RoamingState
from tests.unit.test_mobileip_trio import AGENT, CARE_OF, FA1, FA2, MN_CONFIG, World, fa_config


def test_a_silent_move_is_noticed_when_the_advertisements_lifetime_ends():
    world = World()
    world.move(FA1)
    world.run(5)
    world.place = FA2
    world.run(2)
    assert world.bound_to() == [FA1]
    world.run(2)
    assert world.bound_to() == [FA2]


@pytest.mark.parametrize("movement", [Movement.PREFIX, Movement.EAGER])
def test_a_silent_move_is_noticed_at_the_first_advertisement(movement):
    world = World(mn=replace(MN_CONFIG, movement=movement))
    world.move(FA1)
    world.run(5)
    world.place = FA2
    world.run(1.1)
    assert world.bound_to() == [FA2]


@pytest.mark.parametrize("movement", Movement)
def test_ping_pong_between_two_agents_ends_where_the_node_is(movement):
    world = World(mn=replace(MN_CONFIG, movement=movement))
    for place in (FA1, FA2) * 5:
        world.place = place
        if "wlan0" not in world.node._interfaces:
            world.node.link_up("wlan0", world.now)
        world.run(3)
    world.run(3)
    assert world.bound_to() == [FA2]


def test_without_agents_solicitations_back_off():
    world = World()
    world.cut = True
    world.move(FA1)
    world.run(60)
    sent = len(world.did(world.node, SendIcmp))
    assert sent == 3 + 5  # at 0, 1, 2, then 4, 8, 16, 32 and one doubling more


def test_a_co_located_care_of_address_is_registered_with_the_home_agent_directly():
    flags = RequestFlags.T | RequestFlags.G
    world = World(mn=replace(MN_CONFIG, prefer_co_located=True, flags=flags))
    world.place, world.care_of = FA2, CARE_OF.ip
    world.node.care_of_acquired("wlan0", CARE_OF, FA2, world.now)
    world.settle()
    world.run(2)
    assert world.bound_to() == [CARE_OF.ip]
    assert world.home_agent.bindings()[0].co_located
    assert world.agents[FA2].visitors() == []
    assert world.did(world.node, Decapsulate, SetDefaultRoute) == [
        Decapsulate(CARE_OF.ip, Encapsulation.GRE, on=True),
        SetDefaultRoute(FA2, "wlan0", b"", CARE_OF.ip, AGENT, Encapsulation.GRE),
    ]
    world.node.withdraw(world.now)
    world.settle()
    world.run(1)
    assert (world.node.state, world.bound_to()) == (RoamingState.WITHDRAWN, [])


def test_the_r_bit_makes_a_co_located_node_register_through_the_agent():
    fa = fa_config(FA1)
    required = replace(fa, advertising=replace(fa.advertising, flags=AgentFlags.F | AgentFlags.R))
    world = World(mn=replace(MN_CONFIG, prefer_co_located=True), fa=required)
    world.care_of = IPv4Address("198.51.100.77")
    world.move(FA1)
    world.node.care_of_acquired("wlan0", IPv4Interface("198.51.100.77/24"), FA1, world.now)
    world.settle()
    world.run(3)
    assert world.bound_to() == [world.care_of]
    assert [v.co_located for v in world.agents[FA1].visitors()] == [True]
    assert world.did(world.agents[FA1], AddVisitor) == []


def test_a_home_agent_that_has_yet_to_be_found_is_known_by_the_home_network():
    world = World(mn=replace(MN_CONFIG, home_agent=IPv4Address("192.0.2.255")))
    world.move(AGENT)
    world.run(2)
    assert (world.node.state, world.requests()) == (RoamingState.AT_HOME, [])
