"""Topologies, as words: nothing is built here."""

from ipaddress import ip_interface

import pytest

from roamlab.topologies import TOPOLOGIES, HomeAndVisited, TwoSegments


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_has_the_mobile_node_on_its_first_segment_and_a_correspondent(name):
    topo = TOPOLOGIES[name]()
    first = next(iter(topo.segments))
    assert first == "home"
    assert {topo.mobile, topo.correspondent} <= set(topo.hosts())
    info = topo.linkInfo(topo.mobile, first)
    assert info["intfName1"] == topo.mobile_nic
    assert info["params1"]["ip"] == topo.segments[first].mobile_addresses()


def test_figure_1_has_the_segments_and_nodes_of_the_design():
    topo = HomeAndVisited()
    assert list(topo.segments) == ["home", "visited", "visited2"]
    assert [segment.router for segment in topo.segments.values()] == ["ha", "fa", "fa2"]
    assert set(topo.hosts()) == {"mn", "ha", "r1", "internet", "r3", "fa", "fa2", "pc16", "cn"}


def test_path_delay_is_the_sum_of_edge_site_and_core():
    topo = HomeAndVisited(edge_delay_ms=5, core_delay_ms=20, site_delay_ms=1)
    assert topo.path_delay("home") == pytest.approx((0.046, 0.046))


def test_path_delay_takes_the_edge_of_its_own_segment():
    topo = HomeAndVisited(edge_delay_ms=5, visited_delay_ms=50, visited2_delay_ms=0)
    assert topo.path_delay("visited") == pytest.approx((0.091, 0.091))
    assert topo.path_delay("visited2") == pytest.approx((0.041, 0.041))


def test_delay_between_agents_leaves_the_mobile_nodes_link_out():
    topo = HomeAndVisited(core_delay_ms=20, site_delay_ms=1)
    assert topo.delay("ha", "fa") == pytest.approx(0.042)
    with pytest.raises(KeyError):
        topo.delay("ha", "mn")


def test_an_edge_may_differ_by_direction():
    topo = TwoSegments()
    segment = topo.add_segment(
        "slow", "r", topo.segments["home"].subnet, {"delay": 0.01, "down": {"delay": 0.03}}
    )
    assert segment.edge_delay() == (0.01, 0.03)


def test_what_is_not_impaired_is_no_link_parameter():
    assert TwoSegments().segments["home"].edge == {}
    assert HomeAndVisited(edge_loss=2).segments["visited"].edge == {"delay": 0.005, "loss": 2, "bw": 20.0}


def test_routers_own_ports_and_pc16_are_wired():
    topo = HomeAndVisited()
    for node, segment in (("ha", "home"), ("fa", "visited"), ("fa2", "visited2"), ("pc16", "visited")):
        assert topo.linkInfo(node, segment)["edge"] is False


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_no_address_is_given_twice(name):
    topo = TOPOLOGIES[name]()
    given = [
        str(ip_interface(address).ip)
        for _, _, info in topo.links(withInfo=True)
        for end in ("params1", "params2")
        for address in info.get(end, {}).get("ip", [])
    ]
    assert len(given) == len(set(given))


def test_further_mobile_nodes_have_addresses_of_their_own():
    segment = HomeAndVisited().segments["visited"]
    assert segment.mobile_addresses(1) == ["198.51.100.11/25", "2001:db8:2::b/64"]
