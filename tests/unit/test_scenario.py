"""How scenarios are found and their parameters read."""

import re

import pytest

from roamlab.errors import BadInput
from roamlab.lab.link_acts import LinkActs
from roamlab.lab.mobile_ip import Terms
from roamlab.lab.mobile_ip_acts import MobileIpActs
from roamlab.lab.request_acts import RequestActs
from roamlab.registry import find, scenarios, settings
from roamlab.where import ROOT


def test_every_scenario_says_what_happens_in_it() -> None:
    for scenario in scenarios().values():
        assert scenario.summary.endswith("."), scenario.name


def test_parameters_are_read_as_their_types() -> None:
    values = find("fig09").complete({"gap": "2", "family": "6"})
    assert values["gap"] == 2.0
    assert values["family"] == 6


def test_parameters_not_given_have_their_defaults() -> None:
    assert find("fig09").complete({})["gap"] == 0.0


def test_changed_parameters_are_those_that_differ() -> None:
    scenario = find("fig09")
    assert scenario.changed(scenario.complete({"gap": "2"})) == {"gap": 2.0}


@pytest.mark.parametrize(
    ("name", "nearest"), [("fig9", "fig09"), ("fig09-fxied", "fig09-fixed"), ("contorl", "control")]
)
def test_an_unknown_scenario_suggests_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(BadInput, match=f"did you mean '{nearest}'"):
        find(name)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gpa": "2"}, r"no parameter 'gpa' \(did you mean 'gap'"),
        ({"gap": "two"}, "gap=two is not a number"),
        ({"gap": "-1"}, "out of range"),
        ({"family": "5"}, "one of 4, 6"),
    ],
)
def test_a_malformed_parameter_is_one_sentence(given: dict[str, str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        find("fig09").complete(given)


@pytest.mark.parametrize("pair", ["gap", "gap=", "=2", ""])
def test_a_setting_that_is_no_pair_is_bad_input(pair: str) -> None:
    with pytest.raises(BadInput, match="KEY=VALUE"):
        settings([pair])


def test_a_dataclass_among_the_parameters_stands_for_its_fields() -> None:
    scenario = find("mip-move")
    assert {"transport", "lifetime", "skew"} <= scenario.own_parameters().keys()
    assert not {"terms", "changes"} & scenario.own_parameters().keys()
    values = scenario.complete({"transport": "udp", "lifetime": "60", "reverse": "true"})
    topology, own = scenario.split(values)
    assert own == {"transport": "udp", "onward": False, "gap": 0.0, "terms": Terms(lifetime=60, reverse=True)}
    assert topology.keys() == scenario.topology_parameters().keys()


def test_the_documentation_says_which_verdict_each_scenario_of_nodes_and_links_comes_to():
    text = (ROOT / "docs/scenarios.md").read_text().partition("## Scenarios that show them")[2]
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| (\w+) \|$", text, re.MULTILINE)
    assert len(rows) == 15
    assert dict(rows) == {name: find(name).expect.value for name, _ in rows}


@pytest.mark.parametrize("acts", [LinkActs, RequestActs, MobileIpActs])
def test_the_documentation_names_every_verb_for_nodes_links_and_sessions(acts: type) -> None:
    text = (ROOT / "docs/scenarios.md").read_text()
    verbs = {name for name, value in vars(acts).items() if callable(value) and not name.startswith("_")}
    assert verbs <= set(re.findall(r"`(\w+)[`(]", text))
