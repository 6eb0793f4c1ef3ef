"""The raw way: associations of roamlab's own with the correspondent node, that say what no stack would.

    one = lab.at(2.0).associate(Raw(lab), tsn=1000)
    chunks = Ask(1000, Request(Verb.ADD, address)), Ask(1001)
    lab.at(3.0).say(one, *chunks, answers=["AUTH, ASCONF-ACK 1000, ASCONF-ACK 1001"])

The correspondent node's kernel is unmodified, and has no part in what it is told. ``answers`` are the packets that are expected
back within a second, each as its chunks in their order; HEARTBEATs, DATA and SACKs are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from roamlab.agents.raw_endpoint import RawEndpoint
from roamlab.lab.lab import PORT, Family, Lab
from roamlab.lab.request_acts import Request
from roamlab.record.commands import (
    AsconfAckSpec,
    AsconfSpec,
    ChunkSpec,
    CookieEchoSpec,
    HeartbeatSpec,
    Initiate,
    Open,
)
from roamlab.topologies.addresses import ATTACKER
from roamlab.topologies.attacked import OFF_PATH

HOST: Final = OFF_PATH
_FIRST_PORT: Final = 4000
_OWN: Final = 1  # the host number that the endpoint speaks from


class Ask:
    """An ASCONF chunk with a serial number and requests, found ``by`` an address: the association's first unless it is said.

    It has no address parameter where it is to ``lack`` one.
    """

    def __init__(self, serial: int, *wanted: Request, by: str = "", lack: bool = False) -> None:
        self._serial, self._wanted, self._by, self._lack = serial, wanted, by, lack

    def spec(self) -> ChunkSpec:
        """The chunk as a command carries it."""
        wanted = tuple(request.command(number) for number, request in enumerate(self._wanted))
        return AsconfSpec(self._serial, wanted, self._by, self._lack)

    def __str__(self) -> str:
        return f"ASCONF {self._serial}"


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """An ASCONF-ACK chunk; ``ahead`` 0 has the serial number that the correspondent node's first ASCONF has, or would have.

    It says of no request what became of it, or of each that it was not ``understood``, or is ``refused`` (cause 0x00A4).
    """

    ahead: int
    understood: bool = True
    refused: bool = False

    def spec(self) -> ChunkSpec:
        """The chunk as a command carries it."""
        return AsconfAckSpec(self.ahead, self.understood, self.refused)

    def __str__(self) -> str:
        said = " (refused)" if self.refused else "" if self.understood else " (not understood)"
        return f"ASCONF-ACK {self.ahead:+}{said}"


class Beat:
    """A HEARTBEAT chunk."""

    def spec(self) -> ChunkSpec:
        """The chunk as a command carries it."""
        return HeartbeatSpec()

    def __str__(self) -> str:
        return "HEARTBEAT"


class CookieEcho:
    """The COOKIE-ECHO of the set-up again, as if COOKIE-ACK had been lost."""

    def spec(self) -> ChunkSpec:
        """The chunk as a command carries it."""
        return CookieEchoSpec()

    def __str__(self) -> str:
        return "COOKIE-ECHO"


class Raw:
    """The host that has these associations; to be made after the session, whose family it takes.

    Its addresses are ones that its kernel has not, and lead to it (``topologies/attacked.py``).
    """

    def __init__(self, lab: Lab[object]) -> None:
        self.lab = lab
        self.host = HOST
        self._associations = 0
        self._acts = 0
        lab.site.staff(HOST, RawEndpoint)
        lab.agents.await_ready()
        lab.agents.command(HOST, Open(lab.correspondent.address))

    def address(self, number: int = _OWN) -> str:
        """One of its addresses; the first is the one that it speaks from."""
        return self.lab.site.of_family(ATTACKER.addresses(number))

    def next_association(self) -> RawAssociation:
        """The handle of another association, by its port."""
        self._associations += 1
        return RawAssociation(self, _FIRST_PORT + self._associations)

    def initiate(
        self, one: RawAssociation, *, tsn: int, also: tuple[str, ...], prefer: str, prefers_first: bool
    ) -> None:
        """Send an association's INIT; the set-up goes on by itself."""
        wish = Initiate(one.port, PORT, self.address(), tsn, also=also, prefer=prefer)
        wish.prefers_first = prefers_first
        self.lab.agents.command(HOST, wish)

    def next_act(self) -> int:
        """The number of the next packet."""
        self._acts += 1
        return self._acts


@dataclass(frozen=True, slots=True)
class RawAssociation:
    """One association, by its port."""

    raw: Raw
    port: int


def beside_a_session(lab: Lab[object], family: Family) -> Raw:
    """The host that has raw associations, beside an ordinary session that has to go on whatever is said in these."""
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False)
    lab.at(1.0).start(session.stream(every=0.1))
    return Raw(lab)
