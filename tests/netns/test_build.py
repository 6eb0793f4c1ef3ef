"""Networks that are built, and what a topology's words come to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from mininet.topo import SingleSwitchTopo, Topo

from roamlab.linux.errors import MissingKernelOption, NetworkError
from roamlab.network.link import TCLink
from roamlab.network.net import Mininet
from roamlab.topologies import HomeAndVisited
from tests.netns.conftest import has_netem, reaches

FAST = {"edge_delay_ms": 0, "edge_bw": None, "core_delay_ms": 0, "site_delay_ms": 0}


@pytest.fixture
def figure1() -> Iterator[Mininet]:
    with Mininet(HomeAndVisited(**FAST)) as net:
        yield net


@pytest.mark.parametrize("pair", [("192.0.2.10", "203.0.113.10"), ("2001:db8:1::a", "2001:db8:4::a")])
def test_mobile_node_at_home_reaches_the_correspondent_across_all_routers(figure1, pair):
    assert reaches(figure1["mn"], pair[0], figure1["cn"], pair[1])


@pytest.mark.parametrize("pair", [("192.0.2.10", "198.51.100.116"), ("2001:db8:1::a", "2001:db8:2::74")])
def test_mobile_node_reaches_pc16_on_the_foreign_segment(figure1, pair):
    assert reaches(figure1["mn"], pair[0], figure1["pc16"], pair[1])


def test_every_address_of_the_figure_answers_every_node(figure1):
    hosts = figure1.hosts
    for source in hosts:
        for target in hosts:
            if source is not target:
                other = str(target.intfList()[-1].addresses[0].ip)
                assert reaches(source, source.IP(), target, other), f"{source} -> {target} {other}"


def test_building_starts_no_process(figure1):
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = children.read_text()
    with Mininet(SingleSwitchTopo(k=5)):
        assert children.read_text() == before


def test_the_same_topology_gives_the_same_numbers_and_addresses():
    def fingerprint():
        with Mininet(HomeAndVisited(**FAST)) as net:
            return [
                (nic.full_name, nic.index, nic.mac, nic.addresses) for h in net.hosts for nic in h.intfList()
            ]

    first = fingerprint()
    assert first == fingerprint()
    assert len({mac for _, _, mac, _ in first}) == len(first)
    assert all(mac.startswith("02:") for _, _, mac, _ in first)


def test_stock_topology_gets_addresses_from_a_documentation_prefix():
    with Mininet(SingleSwitchTopo(k=2)) as net:
        assert [host.IP() for host in net.hosts] == ["192.0.2.1", "192.0.2.2"]
        assert reaches(net["h1"], "192.0.2.1", net["h2"], "192.0.2.2")


def test_default_route_of_a_stock_host_parameter_is_set():
    topo = SingleSwitchTopo(k=2, hopts={"defaultRoute": "via 192.0.2.2"})
    with Mininet(topo) as net:
        assert "default via 192.0.2.2" in net["h1"].cmd("ip route")


def test_hosts_linked_directly_need_no_switch():
    topo = Topo()
    for name in ("a", "b"):
        topo.addHost(name, ip=None)
    topo.addLink("a", "b", params1={"ip": "192.0.2.1/30"}, params2={"ip": "192.0.2.2/30"})
    with Mininet(topo) as net:
        assert reaches(net["a"], "192.0.2.1", net["b"], "192.0.2.2")


def test_switches_linked_to_each_other_are_one_segment():
    topo = Topo()
    for name in ("s1", "s2"):
        topo.addSwitch(name)
    for host, switch in (("a", "s1"), ("b", "s2")):
        topo.addHost(host)
        topo.addLink(host, switch)
    topo.addLink("s1", "s2", cls=TCLink)
    with Mininet(topo) as net:
        assert reaches(net["a"], net["a"].IP(), net["b"], net["b"].IP())


def test_sysctls_are_set_in_the_host_alone(figure1):
    figure1["mn"].sysctl({"net.ipv4.ip_default_ttl": 33})
    assert figure1["mn"].namespace.read_sysctl("net.ipv4.ip_default_ttl") == "33"
    assert figure1["cn"].namespace.read_sysctl("net.ipv4.ip_default_ttl") != "33"


def test_unknown_sysctl_is_named(figure1):
    with pytest.raises(NetworkError, match=r"net\.ipv4\.no_such"):
        figure1["mn"].sysctl({"net.ipv4.no_such": 1})


def test_a_kernel_without_netem_is_told_by_its_option():
    if has_netem():
        pytest.skip("this kernel has netem")
    with pytest.raises(MissingKernelOption, match="CONFIG_NET_SCH_NETEM") as caught:
        Mininet(HomeAndVisited())
    assert caught.value.option == "CONFIG_NET_SCH_NETEM"
