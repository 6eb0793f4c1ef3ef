"""Requests of one's own in an ASCONF, and what the peer must answer to each: `lab.at(3.0).ask(...)`.

The kernel is made to send an ASCONF, and its requests are replaced on the way out by those asked for: serial number, AUTH,
retransmission and acknowledgement are the kernel's own (`protocols/rewriting.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.evidence import Evidence
from protocols.mobility import Verb
from protocols.pcapng import Direction as Way
from protocols.rewriting import OWN_IDS
from protocols.sctp.chunks import Abort, Asconf, AsconfAck
from protocols.sctp.parameters import ErrorCauseIndication


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``refused`` is the error cause to expect (its code); without one it must be granted.

    ``verb`` may be the type of a parameter that nobody knows, as text: "0xc0fe".
    """

    verb: Verb | str
    address: str = ""
    refused: int | None = None

    def plain(self, number: int) -> dict[str, Any]:
        """The request as events and commands carry it, with its correlation ID."""
        known = isinstance(self.verb, Verb)
        return {
            "verb": self.verb.value if isinstance(self.verb, Verb) else self.verb,
            "address": self.address,
            "refused": self.refused,
            "id": OWN_IDS + number if known else -1,
        }


def asked(evidence: Evidence, stimulus: dict[str, Any]) -> tuple[Asconf | None, AsconfAck | None]:
    """The ASCONF with a stimulus' requests as it left, and its answer as it came."""
    wanted = {request["id"]: (request["verb"], request["address"]) for request in stimulus["requests"]}
    found: Asconf | None = None
    for packet, chunk in evidence.trace.asconfs:
        if packet.node != stimulus["node"] or packet.time_ns < stimulus["t"]:
            continue
        if isinstance(chunk, Asconf) and packet.direction is Way.OUT:
            said = {
                getattr(r, "correlation_id", -1): (r.name, str(getattr(r, "address", "")))
                for r in chunk.requests
            }
            found = chunk if said == wanted and found is None else found
        elif isinstance(chunk, AsconfAck) and found is not None and chunk.serial == found.serial:
            return found, chunk
    return found, None


def wrong_answers(evidence: Evidence) -> list[str]:
    """Requests of stimuli that the peer answered otherwise than was expected, each as a sentence."""
    wrong = []
    for stimulus in evidence.of_kind("stimulus"):
        if stimulus["action"] != "ask":
            continue
        _, answer = asked(evidence, stimulus)
        if answer is None:
            aborted = _aborted(evidence, stimulus)
            wrong.append(
                f"the peer answered the requests at {stimulus['at_s']} s with {aborted or 'nothing'}"
            )
            continue
        causes = {
            p.correlation_id: p.causes[0].type
            for p in answer.parameters
            if isinstance(p, ErrorCauseIndication) and p.causes
        }
        for request in stimulus["requests"]:
            if (got := causes.get(request["id"])) != request["refused"]:
                what = f"{request['verb']} {request['address']} at {stimulus['at_s']} s"
                wrong.append(f"{what}: {_cause(request['refused'])} expected, {_cause(got)} answered")
    return wrong


def _aborted(evidence: Evidence, stimulus: dict[str, Any]) -> str:
    for packet in evidence.trace.sctp:
        if packet.node == stimulus["node"] and packet.direction is Way.IN and packet.time_ns >= stimulus["t"]:
            for chunk in packet.chunks:
                if isinstance(chunk, Abort):
                    return "ABORT " + ", ".join(f"0x{cause.type:04x} {cause.name}" for cause in chunk.causes)
    return ""


def _cause(code: int | None) -> str:
    return "success" if code is None else f"cause 0x{code:04x}"
