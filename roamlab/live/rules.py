"""What a hand may do to a network now, and what the network then is: the same rules for the page and for the guest."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import msgspec

from roamlab.errors import BadInput
from roamlab.record.hand import (
    EVERY_S,
    AnyAct,
    AttachNic,
    CutLink,
    DetachNic,
    FailAgent,
    ImpairLink,
    MendLink,
    MoveNic,
    OnNic,
    ReviveAgent,
    Walk,
)
from roamlab.registry import nearest
from roamlab.topologies import RoamingTopo

_NICS = 4
_LONGEST_GAP_S = 600.0


@dataclass(slots=True)
class _Nic:
    segment: str
    back_s: float = 0.0
    """when it has a link again"""
    cut: bool = False


class Rules:
    """The NICs of a topology's mobile nodes as the acts so far have left them."""

    def __init__(
        self, topology: RoamingTopo, *, mobile_ip: bool = False, apart_m: float | None = None
    ) -> None:
        self._apart_m = apart_m
        self._dead: set[str] = set()
        self.agents: set[str] = set()
        """The mobility agents that have served so far."""
        self._segments = topology.segments
        self._mobile_ip = mobile_ip
        self._nics: dict[str, dict[str, _Nic]] = {
            node: {start.nic: _Nic(start.segment.name)}
            for node, start in topology.starts.items()
            if node in topology.mobiles and start.segment is not None
        }

    def accept(self, act: AnyAct, at_s: float) -> AnyAct:
        """Take an act that takes effect at a time, and what follows from it. Raises BadInput for one that cannot be."""
        act = msgspec.structs.replace(act, at=at_s)
        if not isinstance(act, OnNic):
            self._accept_else(act)
            return act
        if self._apart_m is not None:
            raise BadInput("here the node decides by its signals; have it walk")
        nics = self._of(act.node)
        match act:
            case MoveNic(nic=name, to=to, gap=gap):
                nic = self._ready(nics, name, at_s)
                self._free(nics, to, name)
                if to == nic.segment:
                    raise BadInput(f"{name} is on {to} already")
                _within("gap", gap, 0.0, _LONGEST_GAP_S)
                nics[name] = _Nic(to, at_s + gap + 2 * EVERY_S if gap else 0.0)
            case AttachNic(nic=name, to=to):
                if self._mobile_ip:
                    raise BadInput("a node that uses Mobile IP has one NIC here")
                if name in nics or not name.isidentifier() or len(name) > 15:
                    raise BadInput(f"{name!r} cannot be the name of a new NIC")
                if len(nics) == _NICS:
                    raise BadInput(f"{act.node} has {_NICS} NICs already")
                self._free(nics, to, name)
                nics[name] = _Nic(to)
            case DetachNic(nic=name):
                self._ready(nics, name, at_s)
                if len(nics) == 1 or self._mobile_ip:
                    raise BadInput(f"{name} is the only NIC that {act.node} has")
                del nics[name]
            case CutLink(nic=name):
                nic = self._ready(nics, name, at_s)
                if nic.cut:
                    raise BadInput(f"{name} has no link already")
                nic.cut = True
            case MendLink(nic=name):
                nic = self._known(nics, name)
                if not nic.cut:
                    raise BadInput(f"{name} has its link")
                nic.cut = False
            case ImpairLink(nic=name):
                self._ready(nics, name, at_s)
                if act.delay is None and act.loss is None and act.rate is None:
                    raise BadInput("nothing is to change about the link")
                _within("delay", act.delay, 0.0, 5.0)
                _within("loss", act.loss, 0.0, 100.0)
                _within("rate", act.rate, 0.01, 1000.0)
        return act

    def _accept_else(self, act: FailAgent | ReviveAgent | Walk) -> None:
        """Take an act that is done to no NIC."""
        match act:
            case Walk(to=to):
                if self._apart_m is None:
                    raise BadInput("nobody walks here; ./lab live --set radio=true has base stations")
                _within("to", to, -self._apart_m, 2 * self._apart_m)
            case FailAgent(node=node):
                if node not in self.agents:
                    raise BadInput(
                        f"there is no mobility agent {node!r}{nearest(node, dict.fromkeys(self.agents))}"
                    )
                if node in self._dead:
                    raise BadInput(f"{node} is dead already")
                self._dead.add(node)
            case ReviveAgent(node=node):
                if node not in self._dead:
                    raise BadInput(f"{node} is not dead")
                self._dead.discard(node)

    def _of(self, node: str) -> dict[str, _Nic]:
        if node not in self._nics:
            raise BadInput(f"there is no mobile node {node!r}{nearest(node, self._nics)}")
        return self._nics[node]

    @staticmethod
    def _known(nics: dict[str, _Nic], name: str) -> _Nic:
        if name not in nics:
            raise BadInput(f"there is no NIC {name!r}{nearest(name, nics)}")
        return nics[name]

    def _ready(self, nics: dict[str, _Nic], name: str, at_s: float) -> _Nic:
        nic = self._known(nics, name)
        if nic.back_s >= at_s:
            raise BadInput(f"{name} is on its way to {nic.segment} until {nic.back_s:.2f} s")
        return nic

    def _free(self, nics: dict[str, _Nic], to: str, name: str) -> None:
        if to not in self._segments:
            raise BadInput(f"there is no segment {to!r}{nearest(to, self._segments)}")
        other = next((other for other, nic in nics.items() if other != name and nic.segment == to), "")
        if other:
            raise BadInput(f"{other} is on {to}: a node has one address on each segment here")


def _within(name: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not (isfinite(value) and least <= value <= most):
        raise BadInput(f"{name} {value:g} is out of range; it takes {least:g} to {most:g}")
