"""Every event is documented where its class stands, has words of its own, and survives its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest

from roamlab.record import attack_events, conditions, events, mobile_ip_events, mptcp_events, stimuli
from roamlab.record.commands import Command
from roamlab.record.event import Event, concrete, decoder, encoder, kind_of
from roamlab.record.reference import page
from roamlab.record.words import by_fields, words

_OURS = tuple(
    module.__name__ for module in (attack_events, conditions, events, mobile_ip_events, mptcp_events, stimuli)
)
KINDS = [kind for kind in concrete(Event) if kind.__module__ in _OURS]
_WITHOUT_DETAILS = {"agent.ready", "cookie.none"}


def _value(annotation: Any) -> Any:
    """A value of a field's type that is not its default."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        return (_value(arguments[0]),)
    if origin is dict:
        return {_value(arguments[0]): _value(arguments[1])}
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _made(annotation)
    if arguments:  # a Literal or a union: the first will do
        return _value(arguments[0]) if isinstance(arguments[0], type) else arguments[0]
    return {str: "said", int: 7, float: 2.5, bool: True}.get(annotation, "said")


def _made(kind: type[msgspec.Struct]) -> Any:
    hints = msgspec.structs.fields(kind)
    return kind(**{field.name: _value(field.type) for field in hints if field.required})


def test_the_page_of_events_is_that_of_the_classes() -> None:
    """Made by `python -m roamlab.record.reference docs/events.md`."""
    assert (Path(__file__).parents[2] / "docs" / "events.md").read_text() == page()


@pytest.mark.parametrize("kind", KINDS, ids=kind_of)
def test_an_event_is_documented_and_read_as_it_was_written(kind: type[Event]) -> None:
    assert kind.__doc__
    assert f"### `{kind_of(kind)}`" in page()
    event = _made(kind)
    event.t, event.node = 5, "mn"
    line = encoder().encode(event)
    assert decoder(Event).decode(line) == event
    assert msgspec.json.decode(line)["kind"] == event.kind == kind_of(kind)


@pytest.mark.parametrize("kind", KINDS, ids=kind_of)
def test_an_event_has_words_of_its_own(kind: type[Event]) -> None:
    event = _made(kind)
    said = words(event)
    assert said
    assert "{" not in said
    if kind_of(kind) not in _WITHOUT_DETAILS and event.details():
        assert said != by_fields(event)


def test_every_command_is_documented_and_read_as_it_was_written() -> None:
    for kind in concrete(Command):
        if kind.__module__ == Command.__module__:
            assert kind.__doc__
            command = _made(kind)
            assert decoder(Command).decode(msgspec.json.encode(command)) == command
