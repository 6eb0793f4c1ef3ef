"""A live session as a scenario: a Python file that plays the same again, to the bit, with `./lab run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from roamlab.record.hand import (
    AnyAct,
    AttachNic,
    CutLink,
    DetachNic,
    FailAgent,
    Hand,
    ImpairLink,
    MendLink,
    MoveNic,
    OnNic,
    ReviveAgent,
    Walk,
)
from roamlab.registry import Scenario

_TEMPLATE: Final = '''"""A session that was played by hand in the live lab: the same moves at the same times, to the bit.

Play it with:  {command}
"""

from typing import Any

from roamlab.lab.lab import Lab
from roamlab.registry import find, scenario

BEGUN_WITH = find({reference!r}{in_topology})


def topology() -> Any:
    """The network that it was played in."""
    return BEGUN_WITH.topology({built})


@scenario(
    BEGUN_WITH.name,
    figure=BEGUN_WITH.figure,
    expect=BEGUN_WITH.expect,
    topology=topology,
    needs=BEGUN_WITH.needs_for({parameters}),
)
def by_hand(lab: Lab[Any]) -> None:
    """What was played, and what a person did to it."""
    lab.by_hand(moves, until={until!r})
    BEGUN_WITH.play(lab{own})


def moves(lab: Lab[Any]) -> None:
    """What the person did; times are in s. Change them, and see what becomes of it."""
{moves}
'''


def text(scenario: Scenario, parameters: Mapping[str, Any], hand: Hand, command: str) -> str:
    """The file. ``command`` is what plays it."""
    changed = {
        name: value
        for name, value in parameters.items()
        if name not in (known := scenario.parameters()) or value != known[name].default
    }
    built, own = scenario.split(changed)
    return _TEMPLATE.format(
        command=command,
        reference=scenario.reference,
        in_topology=f", {scenario.topology_name!r}" if scenario.topology_name else "",
        built=_arguments(built),
        parameters=repr(changed),
        own=f", {_arguments(own)}" if own else "",
        until=hand.end,
        moves="\n".join(f"    {line(act)}" for act in hand.acts) or "    del lab  # nothing",
    )


def line(act: AnyAct) -> str:
    """An act as a line of a scenario."""
    at = f"lab.at({act.at!r})"
    nic = f"lab.node({act.node!r}).nic({act.nic!r})" if isinstance(act, OnNic) else ""
    match act:
        case MoveNic(to=to, gap=gap):
            return f"{at}.move({nic}, to=lab.segment({to!r}){f', gap={gap!r}' if gap else ''})"
        case AttachNic(node=node, nic=name, to=to):
            return f"{at}.attach(lab.node({node!r}), {name!r}, to=lab.segment({to!r}))"
        case DetachNic():
            return f"{at}.detach({nic})"
        case CutLink():
            return f"{at}.link_down({nic})"
        case MendLink():
            return f"{at}.link_up({nic})"
        case ImpairLink(delay=delay, loss=loss, rate=rate):
            named = {"delay": delay, "loss": loss, "rate": rate}
            changes = _arguments({name: value for name, value in named.items() if value is not None})
            return f"{at}.impair({nic}, {changes})"
        case FailAgent() | ReviveAgent():
            verb = "fail" if isinstance(act, FailAgent) else "revive"
            return f"{at}.{verb}(lab.mobility_agent({act.node!r}))"
        case Walk(to=place):
            return f"{at}.walk(to={place!r})"


def _arguments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
