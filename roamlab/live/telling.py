"""Turns what a run writes into facts for the page, piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from roamlab.live import facts
from roamlab.live.facts import AnyFact
from roamlab.live.hops import Hops
from roamlab.live.standing import Account
from roamlab.protocols.trace import Sighting
from roamlab.record import events as e
from roamlab.record import mobile_ip_events as mip
from roamlab.record import stimuli
from roamlab.record.event import Event
from roamlab.record.guarded import printable
from roamlab.record.stimuli import Stimulus
from roamlab.record.words import words

_LONGEST: Final = 300
_PATHS: Final[dict[type[e.Notice], str]] = {
    e.PathAvailable: "available",
    e.PathUnreachable: "unreachable",
    e.PathAdded: "added",
    e.PathConfirmed: "confirmed",
    e.PathRemoved: "removed",
}


class Telling:
    """The facts of one run. ``owners`` has the node of each address, and grows with what events say."""

    def __init__(self, owners: dict[str, str]) -> None:
        self._owners = owners
        self._hops: Hops | None = None
        self._account = Account()
        self._addresses: dict[tuple[str, str], dict[str, None]] = {}
        self._primary: dict[str, str] = {}
        self._paths: dict[tuple[str, str], facts.Path] = {}
        self._before: facts.Standing | None = None
        self.epoch_ns: int | None = None
        self.agents: set[str] = set()
        """The mobility agents that have served so far."""

    def events(self, found: Iterable[Event]) -> Iterator[AnyFact]:
        """The facts of events, given as they were written."""
        counts: dict[tuple[str, float], list[int]] = {}
        for event in found:
            if isinstance(event, e.RunStart):
                self.epoch_ns = event.epoch_ns
                self._hops = Hops(event.epoch_ns, self._owners)
            self._account.feed(event)
            if isinstance(event, e.DataSent | e.DataReceived):
                count = counts.setdefault((event.dir, event.t // 50_000_000 / 20), [0, 0])
                count[isinstance(event, e.DataReceived)] += 1
                continue
            yield from self._of(event)
        for (way, t), (sent, got) in sorted(counts.items(), key=lambda entry: entry[0][1]):
            yield facts.Flow(t=t, way=way, sent=sent, got=got)

    def packets(self, sightings: Iterable[Sighting]) -> Iterator[AnyFact]:
        """The facts of packets, given as they were captured."""
        if self._hops is not None:
            yield from self._hops.feed(sightings)

    def standing(self, now_ns: int) -> Iterator[AnyFact]:
        """How the verdict stands at a time up to which all is known, where that has changed."""
        now = self._account.at(now_ns)
        before = self._before
        if before is None or (now.word, now.why, now.up_s, now.down_s) != (
            before.word,
            before.why,
            before.up_s,
            before.down_s,
        ):
            self._before = now
            yield now

    def _of(self, event: Event) -> Iterator[AnyFact]:
        t, node = event.t / 1e9, event.node
        match event:
            case e.NicAttach(nic, segment) | e.NicPlug(nic, segment) | e.NicMove(nic, segment):
                yield facts.NicAt(t=t, node=node, nic=nic, segment=segment)
            case e.NicUnplug(nic):
                yield facts.NicAt(t=t, node=node, nic=nic, up=False)
            case e.NicDetach(nic):
                yield facts.NicAt(t=t, node=node, nic=nic, gone=True)
            case e.NicConfigure(nic, given):
                self._owners.update({address.partition("/")[0]: node for address in given})
                yield self._has(t, node, nic, add=given)
            case e.NicDeconfigure(nic, taken):
                yield self._has(t, node, nic, remove=taken)
            case e.AddressUp(nic, address):
                self._owners[address] = node
            case e.RadioLevel(levels):
                yield facts.Levels(t=t, levels=levels)
            case mip.MipServing():
                self.agents.add(node)
                yield facts.State(t=t, node=node, what="mobility agent", state="serving")
            case stimuli.Fail() | stimuli.Crash():
                yield facts.State(t=t, node=node, what="mobility agent", state="dead")
            case mip.MipTable(rows):
                yield facts.Table(t=t, node=node, rows=rows)
            case mip.MipState(state):
                yield facts.State(t=t, node=node, what="Mobile IP", state=state)
            case e.PathState(_, address, cwnd, rto_ms):
                yield self._path(t, node, address, cwnd=cwnd, rto_ms=rto_ms)
                return
            case e.PathPrimary(address=address):
                yield from self._prefer(t, node, address)
            case e.Notice(address=address) if type(event) in _PATHS and address:
                yield self._path(t, node, address, state=_PATHS[type(event)])
            case e.Up():
                yield facts.State(t=t, node=node, what="session", state="established")
            case e.Gone() | e.AssociationRestarted() | e.AssociationClosed():
                yield facts.State(t=t, node=node, what="session", state=_short(words(event)))
            case _:
                pass
        done = isinstance(event, Stimulus)
        if done or not isinstance(event, e.RadioLevel | e.NicEvent):
            yield facts.Said(t=t, node=node, kind=event.kind, words=_short(words(event)), done=done)

    def _has(
        self, t: float, node: str, nic: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> facts.Addresses:
        held = self._addresses.setdefault((node, nic), {})
        for address in remove:
            held.pop(address.partition("/")[0], None)
        held.update(dict.fromkeys(address.partition("/")[0] for address in add))
        return facts.Addresses(t=t, node=node, nic=nic, addresses=tuple(held))

    def _path(self, t: float, node: str, address: str, **changes: str | int) -> facts.Path:
        known = self._paths.get((node, address)) or facts.Path(t=t, node=node, address=address, state="")
        now = msgspec.structs.replace(known, t=t, primary=self._primary.get(node) == address, **changes)
        self._paths[node, address] = now
        return now

    def _prefer(self, t: float, node: str, address: str) -> Iterator[AnyFact]:
        before = self._primary.get(node)
        self._primary[node] = address
        if before is not None and before != address:
            yield self._path(t, node, before)
        yield self._path(t, node, address)


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
