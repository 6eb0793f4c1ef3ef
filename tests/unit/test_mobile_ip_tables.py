"""The tables that a person sees: mobility bindings and visitors, as rows of text."""

from msgspec.structs import replace

from roamlab.lab.mobile_ip import MobilityAgent, bindings, visitors
from roamlab.record.mobile_ip_events import TableRow

HOME_AGENT = MobilityAgent("ha", None, None)
FOREIGN_AGENT = MobilityAgent("fa", None, None)
NOW = 1_000 * 10**9
BINDING = TableRow(
    home_address="192.0.2.10",
    care_of_address="198.51.100.1",
    lifetime=10800,
    expires_ns=NOW + 10_000 * 10**9,
    encapsulation="ipip",
    co_located=False,
    reverse=False,
)
VISITOR = replace(BINDING, home_agent="192.0.2.1", link="02:00:00:06:00:01")


def test_a_binding_says_where_the_node_is_and_for_how_long():
    assert bindings({"ha": [BINDING]}, HOME_AGENT, NOW) == [
        {
            "home address": "192.0.2.10",
            "care-of address": "198.51.100.1",
            "lifetime": "10000 s of 10800 s",
            "tunnel": "ipip",
        }
    ]


def test_an_infinite_lifetime_and_a_reverse_tunnel_are_said():
    (row,) = bindings({"ha": [replace(BINDING, expires_ns=None, reverse=True)]}, HOME_AGENT, NOW)
    assert (row["lifetime"], row["tunnel"]) == ("infinite", "ipip, reverse")


def test_a_lifetime_that_is_over_has_nothing_left():
    (row,) = bindings({"ha": [replace(BINDING, expires_ns=NOW - 1)]}, HOME_AGENT, NOW)
    assert row["lifetime"] == "0 s of 10800 s"


def test_a_visitor_says_who_it_is_on_the_link():
    (row,) = visitors({"fa": [VISITOR], "ha": [BINDING]}, FOREIGN_AGENT, NOW)
    assert (row["link-layer address"], row["home agent"]) == ("02:00:00:06:00:01", "192.0.2.1")


def test_a_visitor_with_an_address_of_its_own_needs_no_tunnel_here():
    (row,) = visitors({"fa": [replace(VISITOR, co_located=True)]}, FOREIGN_AGENT, NOW)
    assert row["tunnel"] == "none (co-located)"


def test_an_agent_that_has_told_nothing_has_an_empty_table():
    assert bindings({}, HOME_AGENT, NOW) == []
