"""Topologies, as words: nothing is built here."""

import re
from ipaddress import ip_interface

import pytest

from roamlab.topologies import TOPOLOGIES, HomeAndVisited, RoamingTopo, ThreeVisited, TwoMobiles, TwoSegments
from roamlab.topologies.addresses import HOME
from roamlab.where import ROOT


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


def test_addresses_and_routes_that_a_topology_does_not_give_are_worked_out():
    topo = ThreeVisited()
    assert [str(s.subnet.ipv4) for s in topo.segments.values()] == [
        "192.0.2.0/27",
        "192.0.2.32/27",
        "192.0.2.64/27",
        "192.0.2.96/27",
    ]
    routes = topo.nodeInfo("r1")["routes"]
    # r3, and east behind it, is one link away although the ring has another way of the same length round r2.
    to_r3 = topo.linkInfo("r1", "r3")["params2"]["ip"][0].partition("/")[0]
    assert routes[str(topo.east.subnet.ipv4)] == to_r3
    assert str(topo.home.subnet.ipv4) not in routes


def test_two_correspondents_have_links_and_addresses_of_their_own():
    topo = ThreeVisited()
    assert topo.correspondents == ["cn", "cn2"]
    assert topo.starts["cn"].addresses != topo.starts["cn2"].addresses
    assert topo.path_delay("home", "cn") == pytest.approx((0.015, 0.015))
    assert topo.path_delay("home", "cn2") == pytest.approx((0.025, 0.025))


def test_a_second_mobile_node_has_an_address_of_its_own_wherever_it_goes():
    topo = TwoMobiles()
    assert topo.mobiles == ["mn", "mn2"]
    assert topo.starts["mn2"].segment is topo.far
    assert topo.addresses_on("mn", topo.visited) != topo.addresses_on("mn2", topo.visited)


def test_the_way_between_two_mobile_nodes_has_both_edges():
    topo = TwoMobiles(edge_delay_ms=5, core_delay_ms=10)
    assert topo.path_delay("home", "far") == pytest.approx((0.03, 0.03))
    assert topo.path_delay("visited", "mn2") == pytest.approx((0.03, 0.03))


def test_the_shortest_way_is_the_one_with_the_least_delay():
    class Triangle(RoamingTopo):
        def build(self):
            for router in ("a", "b", "c"):
                self.add_router(router)
            self.add_transit("a", "c", delay=0.100)
            self.add_transit("a", "b", delay=0.010)
            self.add_transit("b", "c", delay=0.010)
            self.add_mobile(self.add_segment("home", "a"))
            self.add_correspondent("c")

    topo = Triangle()
    assert topo.delay("a", "c") == pytest.approx(0.020)
    to_b = topo.linkInfo("a", "b")["params2"]["ip"][0].partition("/")[0]
    there = ip_interface(topo.starts["cn"].addresses[0]).network
    assert topo.nodeInfo("a")["routes"][str(there)] == to_b


def test_a_router_that_is_linked_to_no_other_is_named():
    class Island(RoamingTopo):
        def build(self):
            self.add_router("r")
            self.add_router("island")
            self.add_mobile(self.add_segment("home", "r"))
            self.add_segment("away", "island")
            self.add_correspondent("r")

    with pytest.raises(ValueError, match=r"r has no way to 192\.0\.2\.32/27 at island"):
        Island()


def test_a_subnet_that_a_topology_gives_itself_is_given_out_to_nobody_else():
    class Mixed(RoamingTopo):
        def build(self):
            self.add_router("r")
            self.add_segment("fixed", "r", HOME)
            self.add_mobile(self.add_segment("free", "r"))
            self.add_correspondent("r")

    topo = Mixed()
    assert not topo.segments["free"].subnet.overlaps(HOME)


def test_more_segments_than_there_are_documentation_prefixes_are_refused():
    class Large(RoamingTopo):
        def build(self):
            self.add_router("r")
            for number in range(17):
                self.add_segment(f"s{number}", "r")

    with pytest.raises(ValueError, match="room for 16 segments"):
        Large()


def test_the_topology_of_the_documentation_works_as_it_says():
    text = (ROOT / "docs/topologies.md").read_text()
    found: dict[str, object] = {}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], found)
    topo = found["ThreeNetworks"](core_delay_ms=10)
    assert topo.path_delay("home") == pytest.approx((0.005, 0.005))
    assert topo.path_delay("train") == pytest.approx((0.060, 0.060))
    assert topo.addresses_on("mn", topo.cafe)[0] == "192.0.2.42/27"


def test_the_documentation_names_every_topology():
    text = (ROOT / "docs/topologies.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) >= set(TOPOLOGIES)
