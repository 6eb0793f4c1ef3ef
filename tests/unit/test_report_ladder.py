"""From sightings to journeys, arrows and rows."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from roamlab.judge.steps import steps
from roamlab.protocols.ip import Datagram
from roamlab.protocols.mobileip.advertisement import AgentAdvertisement
from roamlab.protocols.pcapng import Direction
from roamlab.protocols.trace import IcmpPacket
from roamlab.protocols.transport import Icmp
from roamlab.record.event import Event
from roamlab.record.words import words
from roamlab.reports import story, text
from roamlab.reports.journeys import Fate, journeys, legs
from roamlab.reports.ladder import Arrow, Fold, ladder
from roamlab.reports.packets import Kind, fields
from roamlab.reports.timeline import timeline
from tests.browser import samples


@pytest.fixture
def fig09(tmp_path: Path) -> story.Story:
    return story.read(samples.real(tmp_path))


def test_a_packet_is_followed_over_every_hop(fig09: story.Story) -> None:
    init = ladder(fig09).journeys[0]
    assert [s.node for s in init.seen] == [
        "mn",
        *[n for n in ("ha", "r1", "internet") for _ in range(2)],
        "cn",
    ]
    assert init.fate is Fate.ARRIVED


def test_a_packet_to_where_the_mobile_node_was_is_lost_behind_the_home_agent(fig09: story.Story) -> None:
    lost = [j for j in ladder(fig09).journeys if j.lost and j.packet.node == "cn"]
    assert lost
    assert {(j.seen[-1].node, j.seen[-1].nic, j.seen[-1].direction) for j in lost} == {
        ("ha", "home", Direction.OUT)
    }


def test_data_sent_again_is_marked(fig09: story.Story) -> None:
    again = [a for a in ladder(fig09).arrows if a.journey.again]
    assert any("DATA #196 to #201" in arrow.label for arrow in again)


def test_steady_data_is_folded_and_what_configures_the_association_is_not(fig09: story.Story) -> None:
    rows = list(ladder(fig09).folded())
    assert any(isinstance(row, Fold) for row in rows)
    shown = [row for row in rows if isinstance(row, Arrow) and row.kind is Kind.CONFIGURATION]
    assert len(shown) == sum(a.kind is Kind.CONFIGURATION for a in ladder(fig09).arrows) == 4


def test_folding_loses_no_packet(fig09: story.Story) -> None:
    drawn = ladder(fig09)
    counted = sum(row.packets if isinstance(row, Fold) else isinstance(row, Arrow) for row in drawn.folded())
    assert counted == len(drawn.arrows)


def test_a_tunnel_splits_a_packet_into_arrows_at_its_ends(tmp_path: Path) -> None:
    drawn = ladder(story.read(samples.tunnelled(tmp_path)))
    assert drawn.columns == ("mn", "ha", "fa", "cn")
    first = [arrow.leg for arrow in drawn.arrows if arrow.leg.journey == 0]
    assert [(leg.start, leg.end, bool(leg.tunnels)) for leg in first] == [
        ("cn", "ha", False),
        ("ha", "fa", True),
        ("fa", "mn", False),
    ]


def test_every_field_of_an_asconf_is_listed(fig09: story.Story) -> None:
    asconf = next(a for a in ladder(fig09).arrows if "ADD" in a.label)
    lines = [str(line).strip() for line in fields(asconf.journey.packet)]
    assert {"ASCONF", "ADD IP", "DELETE IP", "address: 198.51.100.10", "AUTH"} <= set(lines)


def test_an_event_of_an_unknown_kind_is_told_by_its_own_fields() -> None:
    class Balloon(Event, tag="balloon.up"):
        colour: str
        heights: dict[str, int]

    said = words(Balloon("red", {"basket": 3}, t=1, node="mn"))
    assert said == 'colour=red heights={"basket":3}'


def test_the_text_shows_the_losses_and_the_request(fig09: story.Story) -> None:
    lines = "\n".join(line.plain for line in text.draw(fig09.run))
    assert "✗" in lines
    assert "ADD 198.51.100.10" in lines


def test_the_outage_lies_between_the_two_deliveries_that_it_was_measured_from(fig09: story.Story) -> None:
    drawn = timeline(fig09, ladder(fig09).journeys)
    assert fig09.judgement is not None
    for outage in drawn.outages:
        times = drawn.deliveries[outage.direction]
        assert outage.until_ns is not None
        assert times.index(outage.until_ns) == times.index(outage.from_ns) + 1
        measured = getattr(fig09.judgement.outage_s, outage.direction)
        assert (outage.until_ns - outage.from_ns) / 1e9 == pytest.approx(measured)
    assert [outage.direction for outage in drawn.outages] == ["up", "down"]


def test_the_primary_path_changes_with_the_move(fig09: story.Story) -> None:
    drawn = timeline(fig09, ladder(fig09).journeys)
    assert [(s.node, s.name) for s in drawn.primaries] == [
        (node, address) for node in ("mn", "cn") for address in ("192.0.2.10", "198.51.100.10")
    ]


def test_a_refused_step_is_not_called_taken(fig09: story.Story) -> None:
    assert fig09.judgement is not None
    outcomes = {step.says.partition(":")[0]: step.outcome for step in fig09.judgement.steps}
    assert outcomes["It asks for its old address to be removed"] == "refused"
    assert outcomes["It asks for the new address as primary path"] == "taken"


def test_a_step_that_never_came_is_not_taken(fig09: story.Story) -> None:
    assert fig09.judgement is not None
    chain = [link for link in fig09.judgement.chain if not link.step.startswith("first DATA")]
    assert [step.outcome for step in steps("FIG. 9", chain)][-2:] == ["not taken", "not taken"]


def test_routers_need_not_have_been_captured(tmp_path: Path) -> None:
    drawn = ladder(story.read(samples.crowded(tmp_path, 1)))
    whole = ladder(story.read(samples.real(tmp_path / "whole")))
    assert not any(journey.appeared for journey in drawn.journeys)
    assert sum(j.lost for j in drawn.journeys) == sum(j.lost for j in whole.journeys)


def test_what_is_for_a_group_is_never_lost() -> None:
    found = journeys([_advertisement(1, Direction.OUT)], {})
    assert [journey.fate for journey in found] == [Fate.UNHEARD]
    assert list(legs(found, ("mn", "cn"), {})) == []


def _advertisement(time_ns: int, direction: Direction) -> IcmpPacket:
    message = AgentAdvertisement(lifetime=30)
    datagram = Datagram(IPv4Address("192.0.2.1"), IPv4Address("255.255.255.255"), 1, 1, message.encode())
    return IcmpPacket(0, time_ns, "ha", "home", direction, datagram, Icmp(9, 0, b""))
