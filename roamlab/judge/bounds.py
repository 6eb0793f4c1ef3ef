"""How small an outage could have been: the earliest instant that anything could be delivered after a stimulus.

The formulas stand in docs/measures.md. ``u`` and ``d`` are the one-way delays up and down on the new path, ``D`` the time until
the new address is usable, ``q`` what the stack waits before it sends its ASCONF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roamlab.judge.evidence import Evidence
from roamlab.judge.registrations import exchange
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import chunks


@dataclass(frozen=True, slots=True)
class Earliest:
    """The earliest possible deliveries after a stimulus (ns, CLOCK_REALTIME).

    ``waits`` are what they contain: by name, when it began and when it ended.
    """

    up_ns: int
    down_ns: int
    waits: dict[str, tuple[int, int]]


def earliest(evidence: Evidence, stimulus: dict[str, Any]) -> Earliest | None:
    """What physics and the protocol allow after ``stimulus``; None where no bound applies or nothing was announced.

    * ``attach`` (make before break): no bound, the old path carries on.
    * ``move`` (one NIC, break before make): D + q + R + u up, D + q + 2R down, with R = u + d.
    * ``reconnect``: D + R + u up and D + 2R down: data may leave with the COOKIE-ECHO, the peer's data with what it answers.
    * ``move`` with Mobile IP: D is over when the Registration Request leaves; then h + u up and h down, h being the way to
      the home agent and back. At home nothing has to be waited for upwards.
    """
    if "heard" in stimulus:
        return _registered(evidence, stimulus)
    if stimulus["action"] not in ("move", "reconnect"):
        return None
    usable = next(
        (
            e["t"]
            for e in evidence.of_kind("address.up")
            if e["t"] >= stimulus["t"] and e["address"] == stimulus["new"]
        ),
        None,
    )
    if usable is None:
        return None
    u, d = stimulus["up_ns"], stimulus["down_ns"]
    waits = {"detection": (stimulus["t"], usable)}
    start = usable
    if stimulus["action"] == "move":
        asked = next(
            (
                packet.time_ns
                for packet, chunk in evidence.trace.asconfs
                if isinstance(chunk, chunks.Asconf)
                and packet.time_ns >= usable
                and packet.direction is Way.OUT
                and packet.node == stimulus["node"]
            ),
            None,
        )
        if asked is None:
            return None
        waits["kernel"] = (usable, asked)
        start = asked
    return Earliest(start + u + d + u, start + 2 * (u + d), waits)


def _registered(evidence: Evidence, stimulus: dict[str, Any]) -> Earliest | None:
    done = exchange(evidence, stimulus)
    if done is None:
        return None
    asked, there_and_back = done.request.time_ns, stimulus["agent_up_ns"] + stimulus["agent_down_ns"]
    waits = {"detection": (stimulus["t"], asked)}
    if done.reply is not None:
        waits["registration"] = (asked, done.reply.time_ns)
    up = asked + stimulus["up_ns"] + (there_and_back if stimulus["care_of"] else 0)
    return Earliest(up, asked + there_and_back, waits)
