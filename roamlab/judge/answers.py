"""Whether requests of a scenario's own (`lab.at(3.0).ask(...)`) left as they should, and were answered as they should."""

from __future__ import annotations

from collections.abc import Sequence

from roamlab.judge.evidence import Evidence
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Abort, Asconf, AsconfAck
from roamlab.protocols.sctp.parameters import ErrorCauseIndication, Success
from roamlab.record.stimuli import ANYHOW, Ask, Asked


def asked(evidence: Evidence, stimulus: Ask) -> tuple[Asconf | None, AsconfAck | None]:
    """The ASCONF with a stimulus' requests as it left, and its answer as it came."""
    wanted = {request.id: (request.verb, request.address) for request in stimulus.requests}
    found: Asconf | None = None
    for packet, chunk in evidence.trace.asconfs:
        if packet.node != stimulus.node or packet.time_ns < stimulus.t:
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
    """Requests that the peer did not answer as expected, one sentence each."""
    wrong = []
    for stimulus in evidence.of(Ask):
        _, answer = asked(evidence, stimulus)
        if answer is None:
            aborted = _aborted(evidence, stimulus)
            wrong.append(f"the peer answered the requests at {stimulus.at_s} s with {aborted or 'nothing'}")
            continue
        for request, got in zip(stimulus.requests, outcomes(answer, stimulus.requests), strict=True):
            if not _as_wanted(got, request.refused):
                what = f"{request.words} at {stimulus.at_s} s"
                wrong.append(f"{what}: {_cause(request.refused)} expected, {_cause(got)} answered")
    return wrong


def outcomes(answer: AsconfAck, requests: Sequence[Asked]) -> list[int | None]:
    """What an ASCONF-ACK says of each request, in their order: the cause's code, None for success, 0 for a silent failure.

    What it does not mention succeeded, unless something before it failed (RFC 5061, 5.1, A7 and A8).
    """
    said: dict[int, int | None] = {
        p.correlation_id: p.causes[0].type if isinstance(p, ErrorCauseIndication) else None
        for p in answer.parameters
        if isinstance(p, Success) or (isinstance(p, ErrorCauseIndication) and p.causes)
    }
    found: list[int | None] = []
    for request in requests:
        failed = any(outcome is not None for outcome in found)
        found.append(said.get(request.id, 0 if failed else None))
    return found


def _aborted(evidence: Evidence, stimulus: Ask) -> str:
    for packet in evidence.trace.sctp:
        if packet.node == stimulus.node and packet.direction is Way.IN and packet.time_ns >= stimulus.t:
            for chunk in packet.chunks:
                if isinstance(chunk, Abort):
                    return "ABORT " + ", ".join(f"0x{cause.type:04x} {cause.name}" for cause in chunk.causes)
    return ""


def _as_wanted(got: int | None, wanted: int | None) -> bool:
    return got is not None if wanted == ANYHOW else got == wanted


def _cause(code: int | None) -> str:
    if code is None:
        return "success"
    return {0: "failure without a cause", ANYHOW: "failure"}.get(code, f"cause 0x{code:04x}")
