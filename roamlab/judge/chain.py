"""The causal chain: from what happened to the NIC to the first data on the new path, each step with its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from roamlab.judge.evidence import Evidence
from roamlab.judge.registrations import registrations
from roamlab.protocols.mobileip.codes import describe as describe_code
from roamlab.protocols.mobileip.registration import RegistrationRequest
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Chunk, CookieAck, CookieEcho, Init, InitAck
from roamlab.protocols.sctp.describe import describe
from roamlab.protocols.sctp.parameters import SetPrimary, StateCookie
from roamlab.protocols.trace import SctpPacket
from roamlab.record.result import Link


def _stimulus(event: dict[str, Any]) -> str:
    if event["action"] == "cookie":
        return f"COOKIE-ECHO with a {event['echo']} cookie"
    if event["action"] == "ask":
        return "ask " + ", ".join(f"{r['verb']} {r['address']}".strip() for r in event["requests"])
    if event["action"] in ("attack", "packet"):
        return f"{event['action']}: {event['what']}"
    return f"{event['action']} {event.get('nic', '')}".strip()


def _levels(event: dict[str, Any]) -> str:
    return ", ".join(f"{nic} {level:g} dBm" for nic, level in sorted(event["levels"].items()))


_TOLD: Final = 10
"""After so many stimuli the chain repeats itself, and ends."""
_EVENTS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "stimulus": _stimulus,
    "link.down": lambda e: e["nic"],
    "link.up": lambda e: e["nic"],
    "address.down": lambda e: f"{e['address']} off {e['nic']}",
    "address.up": lambda e: f"{e['address']} on {e['nic']}",
    "asconf.rewritten": lambda e: f"{e['was']} goes out as {e['now']}",
    "radio.attach": lambda e: f"{e['nic']} is heard well: {_levels(e)}",
    "radio.prefer": lambda e: f"{e['nic']} is better: {_levels(e)}",
    "radio.remove": lambda e: f"{e['nic']} has faded: {_levels(e)}",
    "asconf.unasked": lambda e: f"{e['verb']} {e['address']}: {e['error']}",
    "association.lost": lambda _: "",
    "association.failed": lambda _: "",
    "association.up": lambda _: "",
    "agent.died": lambda e: e["how"],
    "mip.serving": lambda e: f"on {e['interface']}",
    "mip.agent.found": lambda e: f"{e['agent']}, {e['place']}",
    "mip.agent.lost": lambda e: f"{e['agent']}: {e['why']}",
    "mip.agent.rebooted": lambda e: e["agent"],
    "mip.expired": lambda e: e.get("home_address", "the registration"),
    "mip.failed": lambda e: f"{e['action']}: {e['error']}",
}


SET_UP: Final = "FIG. 5"
"""The figure of the set-up, which stands before all that is done to the association."""


def chain(
    evidence: Evidence, epoch_ns: int, mobile: str, correspondent: str, *, whole_set_up: bool = False
) -> list[Link]:
    """All steps from the first stimulus on, by time; without a stimulus there are none.

    With ``whole_set_up`` the association's set-up is among them wherever it was.
    """
    stimuli = evidence.of_kind("stimulus")
    if not stimuli:
        return []
    start = stimuli[0]["t"]
    links = [
        *_from_events(evidence, start),
        *_from_requests(evidence, start, mobile, correspondent),
        *_from_registrations(evidence, start),
        *_set_up(evidence, 0 if whole_set_up else start, mobile, correspondent),
        *_first_data(evidence, stimuli[0]),
        *(
            step
            for stimulus in stimuli
            if stimulus["action"] == "block"
            for step in _around(evidence, stimulus)
        ),
    ]
    links.sort(key=lambda item: item[0])
    if len(stimuli) > _TOLD:
        last = stimuli[_TOLD]
        links = [link for link in links if link[0] < last["t"]]
        links.append((last["t"], "and so on", last["node"], f"{len(stimuli) - _TOLD} more", None))
    return [
        Link(round((time_ns - epoch_ns) / 1e9, 9), step, node, text, packet)
        for time_ns, step, node, text, packet in links
    ]


Step = tuple[int, str, str, str, int | None]


def _from_events(evidence: Evidence, start: int) -> Iterator[Step]:
    for event in evidence.events:
        if event["t"] >= start and event["kind"] in _EVENTS:
            yield event["t"], event["kind"], event["node"], _EVENTS[event["kind"]](event), None


def _from_requests(evidence: Evidence, start: int, mobile: str, correspondent: str) -> Iterator[Step]:
    sent: set[tuple[str, int]] = set()
    for packet, chunk in evidence.trace.asconfs:
        at_end = packet.node in (mobile, correspondent)
        if packet.time_ns < start or not at_end:
            continue
        again = ""
        if packet.direction is Way.OUT:
            again = " again" if (chunk.name, chunk.serial) in sent else ""
            sent.add((chunk.name, chunk.serial))
        step = f"{chunk.name} {'sent' if packet.direction is Way.OUT else 'arrives'}{again}"
        yield packet.time_ns, step, packet.node, f"{describe(chunk)} from {packet.source}", packet.index


def _from_registrations(evidence: Evidence, start: int) -> Iterator[Step]:
    """Registration messages where they leave their sender and where they arrive at home agent and mobile node."""
    for packet, message in registrations(evidence.trace):
        if packet.time_ns < start:
            continue
        way = "sent" if packet.direction is Way.OUT else "arrives"
        if isinstance(message, RegistrationRequest):
            what = "Request"
            text = f"{message.home_address} at {message.care_of_address} for {message.lifetime} s"
        else:
            what = "Reply"
            text = f"{describe_code(message.code)}, {message.lifetime} s"
        yield packet.time_ns, f"{what} {way}", packet.node, f"{text} from {packet.source}", packet.index


_HANDSHAKE: Final = (Init, InitAck, CookieEcho, CookieAck)


def _set_up(evidence: Evidence, start: int, mobile: str, correspondent: str) -> Iterator[Step]:
    """The four messages that set an association of the mobile node's up, at both ends; repeated ones once."""
    ours = {packet.message for packet in evidence.trace.sctp if packet.node == mobile}
    told: set[tuple[object, str, Way]] = set()
    for packet in evidence.trace.sctp:
        if packet.time_ns < start or packet.node not in (mobile, correspondent) or packet.message not in ours:
            continue
        chunk = next((c for c in packet.chunks if isinstance(c, _HANDSHAKE)), None)
        seen = (packet.message, packet.node, packet.direction)
        if chunk is not None and seen not in told:
            told.add(seen)
            way = "sent" if packet.direction is Way.OUT else "arrives"
            yield packet.time_ns, f"{chunk.name} {way}", packet.node, _handshake(packet, chunk), packet.index


def _handshake(packet: SctpPacket, chunk: Chunk) -> str:
    said = [f"from {packet.source} to {packet.destination}"]
    said += [f"through the tunnel to {outer.destination}" for outer in packet.outer]
    if isinstance(chunk, Init | InitAck):
        said += [f"addresses {', '.join(map(str, chunk.addresses))}"] if chunk.addresses else []
        said += ["a cookie" for p in chunk.parameters if isinstance(p, StateCookie)]
        said += [f"SET PRIMARY {p.address}" for p in chunk.parameters if isinstance(p, SetPrimary)]
    return ", ".join(said)


def _around(evidence: Evidence, stimulus: dict[str, Any]) -> Iterator[Step]:
    """Of a path that dies: the first data that came down it, and the first that came another way afterwards."""
    arrivals = sorted(evidence.arrived.values(), key=lambda a: a.time_ns)
    down = [a for a in arrivals if a.message.direction.word == "down"]
    on_it = (a for a in down if str(a.packet.destination) == stimulus["old"] and a.time_ns < stimulus["t"])
    after = (a for a in down if str(a.packet.destination) != stimulus["old"] and a.time_ns > stimulus["t"])
    for step, arrival in (
        ("first DATA on the path", next(on_it, None)),
        ("DATA another way", next(after, None)),
    ):
        if arrival is not None:
            packet = arrival.packet
            tunnels = "".join(f", through the tunnel to {outer.destination}" for outer in packet.outer)
            text = f"message {arrival.message.sequence} from {packet.source} to {packet.destination}{tunnels}"
            yield arrival.time_ns, step, packet.node, text, packet.index


def _first_data(evidence: Evidence, stimulus: dict[str, Any]) -> Iterator[Step]:
    new = stimulus.get("new")
    for direction in ("up", "down"):
        for arrival in sorted(evidence.arrived.values(), key=lambda a: a.time_ns):
            packet = arrival.packet
            end = packet.source if direction == "up" else packet.destination
            on_new_path = str(end) == new if new else arrival.message.sent_ns >= stimulus["t"]
            if (
                arrival.message.direction.word == direction
                and on_new_path
                and arrival.time_ns >= stimulus["t"]
            ):
                text = f"message {arrival.message.sequence} from {packet.source} to {packet.destination}"
                yield arrival.time_ns, f"first DATA {direction}", packet.node, text, packet.index
                break
