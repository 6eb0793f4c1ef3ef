"""What a hand-in comes to: a plan of steps, as data that one guest yields, another plays, and nobody trusts."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from roamlab.errors import BadInput

Time = Annotated[float, Meta(ge=0, le=600)]
Name = Annotated[str, Meta(max_length=40)]
LIMIT: Final = 200
"""Steps that a plan may have."""


class Step(msgspec.Struct, frozen=True, tag_field="verb", tag=str.lower, forbid_unknown_fields=True):
    """One verb at a time, in seconds since the run's start."""

    at: Time

    @property
    def verb(self) -> str:
        """The verb's name, as a lab's ``allowed`` has it."""
        return str(type(self).__struct_config__.tag)


class Attach(Step, frozen=True, tag="attach"):
    """A NIC comes to the mobile node, on a segment."""

    nic: Name
    to: Name


class Detach(Step, frozen=True, tag="detach"):
    """A NIC goes."""

    nic: Name


class Move(Step, frozen=True, tag="move"):
    """A NIC leaves its segment for another; without a link for ``gap`` seconds."""

    nic: Name
    to: Name
    gap: Time = 0.0


class SetPrimary(Step, frozen=True, tag="set_primary"):
    """The mobile node asks its peer to send to its address on a segment."""

    on: Name


class Release(Step, frozen=True, tag="release"):
    """The mobile node takes an address out of the association."""

    address: Name


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request of an ASCONF: a verb's name (``ADD``, ``SET_PRIMARY``, ``DELETE``) and an address."""

    verb: Literal["ADD", "SET_PRIMARY", "DELETE"]
    address: Name


class Ask(Step, frozen=True, tag="ask"):
    """The mobile node asks for these requests in one ASCONF."""

    wanted: Annotated[tuple[Wanted, ...], Meta(min_length=1, max_length=8)]


class Prefer(Step, frozen=True, tag="prefer"):
    """A policy's decision: the mobile node sends over a NIC, and asks its peer to send to that NIC's address."""

    nic: Name


class Remove(Step, frozen=True, tag="remove"):
    """A policy's decision: a NIC's address leaves the association."""

    nic: Name


class Reconnect(Step, frozen=True, tag="reconnect"):
    """The mobile node ends the association, adds a NIC and connects again over it."""

    over: Name
    to: Name
    pause: Time = 0.0


Signing = Literal["none", "junk", "key"]
"""How a forged ASCONF is signed: `roamlab.lab.attack_acts.Sign`."""


class Forge(Step, frozen=True, tag="forge"):
    """The attacker sends an ASCONF in the mobile node's name."""

    wanted: Annotated[tuple[Wanted, ...], Meta(min_length=1, max_length=8)]
    source: Name
    signing: Signing = "none"


class ReplayCookie(Step, frozen=True, tag="replay_cookie"):
    """The attacker sends the overheard COOKIE-ECHO again."""

    source: Name


AnyStep = (
    Attach | Detach | Move | SetPrimary | Release | Ask | Prefer | Remove | Reconnect | Forge | ReplayCookie
)


class Setup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a plan's session is set up, and what is there before it.

    nics        NICs that the mobile node has besides its first, each on a segment
    addresses   which further ones the correspondent has, by number
    prefers     the address that the mobile node's INIT or INIT-ACK asks for
    mobile_ip   whose care-of address it registers; empty without Mobile IP
    connect_at  when it is set up (s): later than steps that are due before
    attacker    where one stands; empty where there is none
    """

    nics: Annotated[tuple[tuple[Name, Name], ...], Meta(max_length=3)] = ()
    addresses: Annotated[tuple[Annotated[int, Meta(ge=1, le=9)], ...], Meta(max_length=3)] = ()
    prefers: Name = ""
    mobile_ip: Literal["", "foreign-agent", "co-located", "co-located-through-agent"] = ""
    asconf: bool = True
    auth: bool = True
    called: bool = False
    anywhere: bool = False
    transport: Name = "sctp"
    connect_at: Annotated[float, Meta(ge=0, le=60)] = 0.0
    attacker: Literal["", "off-path", "on-path"] = ""

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of what differs from a plain session of SCTP."""
        return tuple(msgspec.to_builtins(self))


class Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hand-in's plan: how its one session is set up, and what happens to it. Streams and the end are the lab's own."""

    steps: Annotated[tuple[AnyStep, ...], Meta(max_length=LIMIT)] = ()
    announce: Literal["socket", "kernel", "rewriting"] = "socket"
    set_primary: bool = True
    delete: bool = True
    managed: bool = True
    setup: Setup = Setup()


def encode(steps: Steps) -> str:
    """A plan as text, the same for the same plan."""
    return msgspec.json.encode(steps).decode()


def decode(text: str | bytes) -> Steps:
    """A plan from text that anybody wrote. Raises BadInput for what is none."""
    try:
        return msgspec.json.decode(text, type=Steps)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadInput(f"this is no plan of a hand-in: {error}") from None
