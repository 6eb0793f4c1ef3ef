"""What the page is told, one class a kind of fact; the tag stands as ``f`` in JSON. Times are in s since the run's start.

Texts come from a guest, which may say what it likes: the page shows them as text and nothing else.
"""

from __future__ import annotations

import msgspec

from roamlab.record.mobile_ip_events import TableRow


class Fact(msgspec.Struct, tag_field="f", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that is so from ``t`` on, or happens then."""

    t: float

    @property
    def key(self) -> tuple[str, ...]:
        """Facts of one key replace each other; empty where each stands for itself."""
        return ()

    @property
    def fleeting(self) -> bool:
        """Whether it is of no interest a few seconds later."""
        return False


class Hop(Fact, tag="hop", frozen=True):
    """A packet crosses a link from one node to another until ``u``; with ``lost`` it is seen nowhere else."""

    a: str
    b: str
    u: float
    kind: str
    label: str
    lost: bool = False

    @property
    def fleeting(self) -> bool:
        """Thousands a minute."""
        return True


class Leg(Fact, tag="leg", frozen=True):
    """A packet goes from the node that sent it to the one that it was for: an arrow of the ladder."""

    a: str
    b: str
    u: float
    kind: str
    label: str
    quiet: bool = False
    lost: bool = False

    @property
    def fleeting(self) -> bool:
        """Those that are many and alike."""
        return self.quiet


class NicAt(Fact, tag="nic", frozen=True):
    """A NIC is on a segment, or on none; ``up`` says whether it has a link, ``gone`` that there is no such NIC any more."""

    node: str
    nic: str
    segment: str = ""
    up: bool = True
    gone: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """One for each NIC."""
        return ("nic", self.node, self.nic)


class Addresses(Fact, tag="addresses", frozen=True):
    """The addresses that a NIC has."""

    node: str
    nic: str
    addresses: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """One for each NIC."""
        return ("addresses", self.node, self.nic)


class Path(Fact, tag="path", frozen=True):
    """A path of an association as its node knows it: to which address, and what was last said of it."""

    node: str
    address: str
    state: str
    primary: bool = False
    cwnd: int = 0
    rto_ms: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        """One for each path."""
        return ("path", self.node, self.address)


class State(Fact, tag="state", frozen=True):
    """What a node's association, connection or Mobile IP is in."""

    node: str
    what: str
    state: str

    @property
    def key(self) -> tuple[str, ...]:
        """One for each thing that has states."""
        return ("state", self.node, self.what)


class Table(Fact, tag="table", frozen=True):
    """A mobility agent's table of bindings or visitors."""

    node: str
    rows: tuple[TableRow, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """One for each agent."""
        return ("table", self.node)


class Levels(Fact, tag="levels", frozen=True):
    """The signal levels of NICs, dBm."""

    levels: dict[str, float]

    @property
    def key(self) -> tuple[str, ...]:
        """There is one."""
        return ("levels",)


class Said(Fact, tag="said", frozen=True):
    """An event in words. ``done`` is something that was done to the network."""

    node: str
    kind: str
    words: str
    done: bool = False


class Flow(Fact, tag="flow", frozen=True):
    """Messages of all sessions in one direction since the fact before: sent and delivered."""

    way: str
    sent: int = 0
    got: int = 0

    @property
    def fleeting(self) -> bool:
        """Twenty a second."""
        return True


class Standing(Fact, tag="standing", frozen=True):
    """The verdict as it stands: a word, a sentence, and the longest silence at a receiver since the last act, s."""

    word: str
    why: str
    up_s: float | None = None
    down_s: float | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """There is one."""
        return ("standing",)


AnyFact = Hop | Leg | NicAt | Addresses | Path | State | Table | Levels | Said | Flow | Standing
