"""Whether the correspondent node set up what a tried cookie should set up (FIG. 5)."""

from __future__ import annotations

from roamlab.judge.evidence import Evidence
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import CookieEcho
from roamlab.record.events import CookieState
from roamlab.record.stimuli import Cookie


def echoed(evidence: Evidence, stimulus: Cookie) -> bool:
    """Whether a stimulus' COOKIE-ECHO reached the correspondent node."""
    return any(
        packet.direction is Way.IN
        and packet.node == "cn"
        and packet.time_ns >= stimulus.t
        and any(isinstance(chunk, CookieEcho) for chunk in packet.chunks)
        for packet in evidence.trace.sctp
    )


def wrong_set_ups(evidence: Evidence) -> list[str]:
    """Cookies that set up what they should not, or did not what they should, each as a sentence."""
    reasons = []
    for stimulus in evidence.of(Cookie):
        counts = [e.associations for e in evidence.of(CookieState) if e.t >= stimulus.t]
        made = counts[1] - counts[0] if len(counts) > 1 else -1
        if made != stimulus.sets_up:
            what = f"the {stimulus.echo} cookie at {stimulus.at_s} s"
            reasons.append(f"{what} set up {made} associations instead of {stimulus.sets_up}")
    return reasons
