"""Mobile IP's runs for the tests: each scenario is played once in a guest, and its capture read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from shutil import which
from typing import Any, TypeVar

import pytest

import roamlab
from roamlab.judge.registrations import advertisements, registrations
from roamlab.kernels.choose import lab_kernels
from roamlab.protocols import trace
from roamlab.protocols.mobileip.registration import RegistrationReply, RegistrationRequest
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import IpDatagram, Trace, UdpPacket
from roamlab.query.signs import Run
from roamlab.record import run_directory
from roamlab.record.event import Event
from roamlab.record.events import RunStart
from roamlab.record.mobile_ip_events import MipFailed
from roamlab.record.result import Judgement
from roamlab.record.run_directory import RunDirectory
from roamlab.record.stimuli import Stimulus

E = TypeVar("E", bound=Event)
HOME = IPv4Address("192.0.2.10")
HOME_AGENT = IPv4Address("192.0.2.1")
FOREIGN_AGENT, FOREIGN_AGENT_2 = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.129")
CO_LOCATED = IPv4Address("198.51.100.10")
CORRESPONDENT = IPv4Address("203.0.113.10")
LATE_S = 0.001
"""How much later than due a process may act in virtual time."""

needs_lab_kernel = [
    pytest.mark.skipif(which("linux.uml") is None, reason="needs linux.uml: apt-get install user-mode-linux"),
    pytest.mark.skipif(not lab_kernels(), reason="needs a lab kernel: ./lab kernel"),
    pytest.mark.timeout(300),
]


@dataclass(frozen=True)
class Played:
    """One run: its judgement, its events and its capture; ``start`` is its beginning in ns (CLOCK_REALTIME)."""

    judgement: Judgement
    directory: RunDirectory

    @cached_property
    def trace(self) -> Trace:
        return trace.load(self.capture)

    @property
    def capture(self) -> Path:
        return self.directory.path / run_directory.CAPTURE

    @cached_property
    def events(self) -> list[Event]:
        return list(self.directory.events())

    @property
    def start(self) -> int:
        return self.of(RunStart)[0].epoch_ns

    @cached_property
    def shown(self) -> Run:
        """What the signs of a page are looked for in."""
        return Run(self.events, self.trace)

    def of(self, kind: type[E], node: str = "") -> list[E]:
        return [e for e in self.events if isinstance(e, kind) and node in ("", e.node)]

    def stimulus(self, number: int = 0) -> float:
        """When a stimulus was, in seconds since the start."""
        return self.of(Stimulus)[number].t / 1e9

    def at(self, time_ns: int) -> float:
        """A capture's time in seconds since the start."""
        return (time_ns - self.start) / 1e9

    def requests(self, node: str, way: Way) -> list[tuple[UdpPacket, RegistrationRequest]]:
        return [
            (p, m)
            for p, m in registrations(self.trace)
            if isinstance(m, RegistrationRequest) and (p.node, p.direction) == (node, way)
        ]

    def replies(self, node: str, way: Way) -> list[tuple[UdpPacket, RegistrationReply]]:
        return [
            (p, m)
            for p, m in registrations(self.trace)
            if isinstance(m, RegistrationReply) and (p.node, p.direction) == (node, way)
        ]

    def advertised(self, node: str, way: Way = Way.OUT) -> list[tuple[Any, Any]]:
        return [(p, m) for p, m in advertisements(self.trace) if (p.node, p.direction) == (node, way)]

    def tunnelled(self, node: str, way: Way) -> list[IpDatagram]:
        """Datagrams seen inside a tunnel at a node."""
        return [
            p
            for p in self.trace.sightings
            if isinstance(p, IpDatagram) and p.outer and (p.node, p.direction) == (node, way)
        ]


class Player:
    """Plays scenarios on a kernel, each set of settings once; unless not ``as_expected``, an unexpected verdict fails."""

    def __init__(self, runs: Path, kernel: str = "uml", *, as_expected: bool = True) -> None:
        self._runs = runs
        self._kernel = kernel
        self._as_expected = as_expected
        self._played: dict[tuple[Any, ...], Played] = {}

    def named(self, run: str) -> Played:
        """A run as the pages name it: the scenario and its settings, "fig09 way=rewriting"."""
        name, *settings = run.split(" ")
        return self(name, **dict(setting.split("=") for setting in settings))

    def shown(self, run: str) -> Run:
        """What the signs of a page are looked for in, in the run of this name."""
        return self.named(run).shown

    def __call__(self, name: str, **settings: str) -> Played:
        key = (name, *sorted(settings.items()))
        if key not in self._played:
            result = roamlab.run(name, kernel=self._kernel, runs=self._runs, **settings)
            run = Played(result.judgement, RunDirectory.open(Path(result.run_dir)))
            as_expected = result.judgement.verdict == result.judgement.expected
            assert as_expected or not self._as_expected, result.judgement.reasons
            assert not run.of(MipFailed), run.of(MipFailed)
            self._played[key] = run
        return self._played[key]
