"""What every event of a run is, and how events are written to and read from JSON.

An event is an object of a class with the tag that stands as ``kind`` in events.jsonl. The classes are in ``events``,
``mobile_ip_events``, ``attack_events`` and ``stimuli``; docs/events.md is made from them. Readers ``match`` on classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeVar, Union, cast

import msgspec

UNSTAMPED: Final = -(1 << 62)
"""The time of an event that nobody has emitted yet."""


class Event(msgspec.Struct, kw_only=True, tag_field="kind", omit_defaults=True, gc=False):
    """Something that happened in a run. Whoever emits it sets ``t`` and ``node``, nobody changes it afterwards."""

    t: int = UNSTAMPED
    """ns: since the run's start in events.jsonl, CLOCK_REALTIME before it is written there and in a verdict's evidence"""
    node: str = ""
    """the node that it happened at; ``lab`` for what the lab itself does"""

    @property
    def kind(self) -> str:
        """The event's tag: what stands as ``kind`` in events.jsonl."""
        return kind_of(type(self))

    def details(self) -> dict[str, Any]:
        """The event's own fields that are not at their defaults, as JSON has them: without ``t``, ``node`` and ``kind``."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {name: value for name, value in plain.items() if name not in _HEAD}


_HEAD: Final = ("kind", "t", "node")
E = TypeVar("E", bound=msgspec.Struct)


def kind_of(event: type[msgspec.Struct]) -> str:
    """The tag of a class."""
    return str(event.__struct_config__.tag)


def concrete(base: type[E]) -> Iterator[type[E]]:
    """The classes below ``base`` that have none below themselves: those that objects are made of."""
    for below in base.__subclasses__():
        if below.__subclasses__():
            yield from concrete(below)
        else:
            yield below


def _any_of(kinds: tuple[type[msgspec.Struct], ...]) -> Any:
    return Union[kinds]  # noqa: UP007 - of what is known only now


@cache
def _decoder(kinds: tuple[type[msgspec.Struct], ...]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_any_of(kinds))


def decoder(base: type[E]) -> msgspec.json.Decoder[E]:
    """A decoder for all classes below ``base`` that are defined by now."""
    return cast("msgspec.json.Decoder[E]", _decoder(tuple(concrete(base))))


def encoder() -> msgspec.json.Encoder:
    """An encoder that writes members in the order of their names, so that equal events are equal lines."""
    return msgspec.json.Encoder(order="sorted")


def from_builtins(base: type[E], content: Mapping[str, Any]) -> E:
    """An object of the class below ``base`` that the tag names. Raises msgspec.ValidationError where it does not fit."""
    return cast("E", msgspec.convert(content, _any_of(tuple(concrete(base)))))
