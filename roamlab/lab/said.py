"""Verbs as text, for a person who writes no scenario: ``5 link-down; 8 link-up``, ``5 move to=visited gap=2``.

A deed is a time, a verb of `roamlab.lab.acts.At` that does something to a NIC, and what the verb takes. The NIC is the mobile
node's ``wlan0`` unless a word names another one. What a verb is given is read by its signature, so a verb that is added there
needs nothing here but its name in `VERBS`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from roamlab.errors import BadInput
from roamlab.lab.acts import At
from roamlab.lab.lab import Lab
from roamlab.registry import nearest

VERBS: Final = (
    "move",
    "attach",
    "detach",
    "link_down",
    "link_up",
    "readdress",
    "impair",
    "fade",
    "block",
    "allow",
    "rebind",
)
"""The verbs that can be said; one that `At` has not is not offered."""
NIC: Final = "wlan0"
_AFTER_S: Final = 0.02
"""When neighbours say something after a link changed, so that the capture shows it."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One deed: when (s after the start that the user counts from), what, to which NIC, and what the verb is given."""

    at_s: float
    verb: str
    nic: str
    given: dict[str, str]

    @property
    def over_s(self) -> float:
        """When all of it is done."""
        return self.at_s + sum(float(self.given.get(name, 0)) for name in ("gap", "over", "overlap"))


def offered() -> list[str]:
    """The verbs, as one writes them."""
    return [verb.replace("_", "-") for verb in VERBS if hasattr(At, verb)]


def read(text: str) -> list[Deed]:
    """The deeds of a text, by time. Raises BadInput with one sentence for what is none."""
    found = [_deed(one.split()) for one in text.split(";") if one.strip()]
    if not found:
        raise BadInput("there is nothing to do; write it like: 5 move to=visited gap=2")
    return sorted(found, key=lambda deed: deed.at_s)


def _deed(words: list[str]) -> Deed:
    told = " ".join(words)
    time, _, rest = told.partition(" ")
    if not _is_number(time) or not rest:
        raise BadInput(f"{told!r} does not begin with a time and a verb, as in: 5 link-down")
    name, *more = rest.split()
    verb = name.replace("-", "_")
    if verb not in VERBS or not hasattr(At, verb):
        known = dict.fromkeys(offered())
        raise BadInput(f"there is no verb {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    named = dict(word.split("=", 1) for word in more if "=" in word)
    plain = [word for word in more if "=" not in word]
    if len(plain) > 1:
        raise BadInput(f"{told!r} names more than one NIC: {' '.join(plain)}")
    takes = inspect.signature(getattr(At, verb)).parameters
    for key, value in named.items():
        if key not in takes:
            known = {k: None for k, p in takes.items() if p.kind is p.KEYWORD_ONLY or k in ("router", "peer")}
            raise BadInput(f"{name} takes no {key!r}{nearest(key, known)}")
        if key not in ("to", "router", "peer") and not _is_number(value):
            raise BadInput(f"{name} {key}={value} is not a number")
    return Deed(float(time), verb, plain[0] if plain else NIC, named)


def check(deeds: list[Deed], segments: Iterable[str]) -> None:
    """Raise BadInput for a segment that is none of these, or a NIC that is not there at that time."""
    there = {NIC}
    for deed in deeds:
        known = dict.fromkeys(segments)
        if (to := deed.given.get("to")) is not None and to not in known:
            raise BadInput(f"there is no segment {to!r}{nearest(to, known)}")
        if to is None and deed.verb in ("move", "attach"):
            raise BadInput(f"{deed.verb} needs to=SEGMENT; there are {', '.join(known)}")
        if deed.verb == "attach":
            there.add(deed.nic)
        elif deed.nic not in there:
            raise BadInput(
                f"the mobile node has no {deed.nic} at {deed.at_s:g} s; it has {', '.join(sorted(there)) or 'no NIC'}"
            )
        if deed.verb == "detach":
            there.discard(deed.nic)


def do(lab: Lab, deeds: list[Deed], since_s: float) -> None:
    """Have a lab do them; their times count from ``since_s``. Raises BadInput as `check`.

    Whoever comes to a link says so to its neighbours, as hosts do; where a link goes, the router's word to the node is lost.
    """
    check(deeds, lab.site.segments)
    for deed in deeds:
        at = lab.at(since_s + deed.at_s)
        nic = lab.mobile.nic(deed.nic)
        given: dict[str, object] = {
            key: float(value) for key, value in deed.given.items() if key not in ("to", "router", "peer")
        }
        if "to" in deed.given:
            given["to"] = lab.site.segments[deed.given["to"]]
        act = getattr(at, deed.verb)
        if deed.verb == "attach":
            act(lab.mobile, deed.nic, **given)
        elif deed.verb in ("block", "allow"):
            router = deed.given.get("router", lab.start(lab.mobile).router)
            act(lab.node(router), nic, lab.node(deed.given.get("peer", lab.correspondent.name)))
        else:
            act(nic, **given)
        for time_s, node, port in _words(lab, deed, since_s):
            lab.timeline.at(time_s, partial(lab.site.announce, node, port))


def _words(lab: Lab, deed: Deed, since_s: float) -> Iterator[tuple[float, str, str]]:
    """Who announces itself when, and on which NIC: what shows a deed even where programs are silent."""
    start_s = since_s + deed.at_s
    segment = lab.start(lab.mobile)
    if deed.verb in ("attach", "readdress"):
        yield start_s, lab.mobile.name, deed.nic
    elif deed.verb == "move":
        yield start_s + float(deed.given.get("gap", 0)), lab.mobile.name, deed.nic
    elif deed.verb in ("link_down", "link_up"):
        yield start_s + _AFTER_S, segment.router, segment.name


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
