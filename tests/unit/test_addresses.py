"""The address plan."""

from ipaddress import ip_network
from itertools import combinations

import pytest

from roamlab.topologies import addresses
from roamlab.topologies.addresses import HOME, Subnet

DOCUMENTATION = [
    ip_network(prefix) for prefix in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
SITES = (addresses.HOME_SITE, addresses.FOREIGN_SITE)
SUBNETS = [
    value
    for name, value in vars(addresses).items()
    if isinstance(value, Subnet) and value is not addresses.EVERYTHING and value not in SITES
]


@pytest.mark.parametrize("subnet", [*SUBNETS, *SITES], ids=str)
def test_every_subnet_is_of_a_documentation_prefix(subnet):
    for prefix in (subnet.ipv4, subnet.ipv6):
        assert any(prefix.version == whole.version and prefix.subnet_of(whole) for whole in DOCUMENTATION)


def test_no_two_subnets_overlap_but_those_behind_hosts_of_the_visited_segment():
    behind = (addresses.ATTACKER, addresses.VICTIMS)
    nets = [net for net in SUBNETS if net not in behind]
    for net in behind:
        assert net.ipv4.subnet_of(addresses.VISITED.ipv4)
        assert net.ipv6.subnet_of(addresses.VISITED.ipv6)
    assert not addresses.ATTACKER.ipv4.overlaps(addresses.VICTIMS.ipv4)
    assert not addresses.ATTACKER.ipv6.overlaps(addresses.VICTIMS.ipv6)
    for one, other in combinations(nets, 2):
        assert not one.ipv4.overlaps(other.ipv4)
        assert not one.ipv6.overlaps(other.ipv6)


@pytest.mark.parametrize(
    ("site", "links"),
    [
        (addresses.HOME_SITE, (addresses.HA_R1, addresses.R1_INTERNET)),
        (addresses.FOREIGN_SITE, (addresses.FA_R3, addresses.FA2_R3, addresses.R3_INTERNET)),
    ],
)
def test_a_sites_transit_links_are_of_its_prefix(site, links):
    for link in links:
        assert link.ipv4.subnet_of(site.ipv4)
        assert link.ipv6.subnet_of(site.ipv6)


def test_a_host_has_the_same_number_in_both_families():
    assert HOME.addresses(10) == ["192.0.2.10/24", "2001:db8:1::a/64"]


@pytest.mark.parametrize("number", [0, 255, 256, -1])
def test_a_number_that_is_no_host_is_refused(number):
    with pytest.raises(ValueError, match="has no host"):
        HOME.host4(number)


def test_routes_go_to_both_prefixes_through_one_host():
    assert HOME.routes(addresses.HA_R1, 1) == {
        "192.0.2.0/24": "203.0.113.129",
        "2001:db8:1::/64": "2001:db8:f000::1",
    }
