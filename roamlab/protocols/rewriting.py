"""What the design has in one message and Linux never sends so, put into the kernel's own packets on their way out.

Linux keeps its state machine, serial numbers, retransmissions and keys; only requests inside an ASCONF change, or a parameter
of INIT and INIT-ACK, and then lengths, the HMAC of AUTH and the checksum follow. Keys come from what INIT and INIT-ACK say in
the clear (RFC 4895, 6.1), so an association with a configured endpoint key can't be rewritten.

What comes back needs no change. In an ASCONF-ACK the kernel looks for the correlation IDs that it gave out itself and passes
over others (RFC 5061, 5.1, A6), so IDs decide what it learns:

* SET PRIMARY takes the ID of the kernel's DELETE, and the DELETE gets a new one. Where the peer refuses the DELETE alone, as
  kernels with FIG. 9's regression do, the kernel takes its ASCONF for granted and lets data flow; the mobility manager,
  which reads the whole ASCONF-ACK, asks for the DELETE again.
* Where the last address has gone, the kernel is told of the ADD alone, and keeps the old address on its loopback meanwhile
  (``roamlab/agents/kept_addresses.py``). Its own way to give up a last address ends with a congestion window of one packet.
* Requests that replace the kernel's have IDs from :data:`OWN_IDS` on: what the peer answers to them is not for the kernel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Address
from roamlab.protocols.sctp import auth, packet
from roamlab.protocols.sctp.chunks import Asconf, AsconfAck, Auth, Chunk, HeartbeatAck, Init, InitAck
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import AddIp, DeleteIp, ErrorCauseIndication, Parameter, SetPrimary

OWN_IDS: Final = 0x524F414D
"""The first correlation ID of requests that the kernel knows nothing of."""
_K = TypeVar("_K")
_V = TypeVar("_V")
_REMEMBERED: Final = 64  # associations under way or alive; older ones are forgotten


class NoKey(Exception):
    """A packet with AUTH of an association whose set-up was not seen."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A packet as it is to go out, and the chunk that changed, before and after."""

    packet: bytes
    was: Chunk
    now: Chunk


@dataclass(slots=True)
class Keys:
    """The association keys of the set-ups that were seen, by verification tag."""

    _vectors: dict[int, bytes] = field(default_factory=dict)
    _keys: dict[int, bytes] = field(default_factory=dict)

    def learn(self, data: bytes) -> None:
        """Look at a packet in either direction; only INIT and INIT-ACK say anything."""
        try:
            seen = packet.decode(data)
        except DecodeError:
            return
        for chunk in seen.chunks:
            if not isinstance(chunk, Init | InitAck):
                return
            try:
                vector = auth.key_vector(chunk.parameters)
            except ValueError:
                return
            if isinstance(chunk, Init):
                _remember(self._vectors, chunk.tag, vector)
            elif (other := self._vectors.get(seen.tag)) is not None:
                key = auth.association_key(other, vector)
                _remember(self._keys, seen.tag, key)
                _remember(self._keys, chunk.tag, key)

    def key(self, tag: int) -> bytes:
        """The key of the association that a tag belongs to. Raises NoKey."""
        if tag not in self._keys:
            raise NoKey(f"no INIT and INIT-ACK were seen of the association with tag 0x{tag:08x}")
        return self._keys[tag]


@dataclass(slots=True)
class Gate:
    """Keeps packets back that the peer would answer to an address that is gone.

    A peer that refused the DELETE, and has not verified the new address, sends SACKs to the old one (RFC 5061, 5.3, F14 as
    Linux has it: ``sctp_outq_select_transport()``), and the sender's T3 runs for the three seconds of a new path. Linux sends
    its data with the ASCONF-ACK and answers the peer's HEARTBEAT, microseconds behind it, after that. So from an ASCONF that
    adds its own source until the HEARTBEAT-ACK from there has left, or until the peer has granted all, nothing else leaves
    from that address. A peer whose HEARTBEAT does not come is given ``patience`` (ns) behind its ASCONF-ACK.
    """

    patience: int = 50_000_000
    deadline: int | None = None
    _address: Address | None = None
    _shut: bool = False

    @property
    def closed(self) -> bool:
        """Whether it keeps anything back."""
        return self._shut or self._address is not None

    @property
    def shut(self) -> bool:
        """Whether it was shut, and no ASCONF has left since."""
        return self._shut

    def shut_now(self) -> None:
        """Keep everything back but ASCONF: the last address, or its link, has gone."""
        self._shut = True

    def leaving(self, source: Address, chunk: Chunk) -> bool:
        """Whether a packet that begins with ``chunk`` (behind AUTH) may leave from ``source``; may close or open."""
        if isinstance(chunk, Asconf):
            if any(isinstance(p, AddIp) and p.address == source for p in chunk.requests):
                self._address, self.deadline, self._shut = source, None, False
            return True
        if self._shut:
            return False
        if source != self._address:
            return True
        if isinstance(chunk, HeartbeatAck):
            self.open()
            return True
        return False

    def answered(self, answer: AsconfAck, now: int) -> None:
        """An ASCONF-ACK arrived: with nothing refused the old address is gone at the peer too."""
        if not any(isinstance(p, ErrorCauseIndication) for p in answer.parameters):
            self.open()
        elif self.closed and self.deadline is None:
            self.deadline = now + self.patience

    def open(self) -> None:
        """Let everything leave."""
        self._address = self.deadline = None
        self._shut = False


@dataclass(slots=True)
class Rewriter:
    """Changes outgoing packets of one node; feed :attr:`keys` with INIT and INIT-ACK of both directions.

    ``together`` puts a SET PRIMARY of the new address behind the ADDs of every ASCONF. ``prefer`` stands as SET PRIMARY in
    every INIT and INIT-ACK (RFC 5061, 5.4).
    """

    together: bool = False
    prefer: Address | None = None
    keys: Keys = field(default_factory=Keys)
    _orders: deque[tuple[Parameter, ...]] = field(default_factory=deque)
    _answers: dict[tuple[int, int], tuple[Parameter, ...]] = field(default_factory=dict)

    def order(self, requests: Sequence[Parameter]) -> None:
        """Let the next new ASCONF carry these requests in the place of the kernel's; one more order, one more ASCONF."""
        self._orders.append(tuple(requests))

    def outgoing(self, data: bytes) -> Rewritten | None:
        """Look at a packet that is about to leave: None where it goes as it is.

        An ASCONF that is sent again is changed in the same way. Raises NoKey where a change is due and can't be signed.
        """
        try:
            leaving = packet.decode(data)
        except DecodeError:
            return None
        for place, chunk in enumerate(leaving.chunks):
            changed = self._change(leaving.tag, chunk)
            if changed != chunk:
                chunks = (*leaving.chunks[:place], changed, *leaving.chunks[place + 1 :])
                return Rewritten(self._sealed(replace(leaving, chunks=chunks)), chunk, changed)
        return None

    def _change(self, tag: int, chunk: Chunk) -> Chunk:
        if isinstance(chunk, Init | InitAck) and self.prefer is not None:
            wish = SetPrimary(OWN_IDS, self.prefer)  # last, so that it follows the address that it speaks of
            return replace(chunk, parameters=(*chunk.parameters, wish))
        if isinstance(chunk, Asconf):
            return replace(chunk, parameters=self._requests(tag, chunk))
        return chunk

    def _requests(self, tag: int, chunk: Asconf) -> tuple[Parameter, ...]:
        which = (tag, chunk.serial)
        if which not in self._answers:
            if self._orders:
                head = chunk.parameters[: len(chunk.parameters) - len(chunk.requests)]
                requests = (*head, *self._orders.popleft())
            else:
                requests = one_message(chunk.parameters) if self.together else chunk.parameters
            _remember(self._answers, which, requests)
        return self._answers[which]

    def _sealed(self, changed: Packet) -> bytes:
        data = changed.encode()
        if any(isinstance(chunk, Auth) for chunk in changed.chunks):
            return auth.sign(data, self.keys.key(changed.tag))
        return data


def one_message(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """ADD, SET PRIMARY and DELETE in this order (the design's FIG. 7 and 9), from an ASCONF's parameters with an ADD.

    Others, and those with a SET PRIMARY, stay as they are.
    """
    adds = [p for p in parameters if isinstance(p, AddIp)]
    deletes = [p for p in parameters if isinstance(p, DeleteIp)]
    if not adds or any(isinstance(p, SetPrimary) for p in parameters):
        return parameters
    others = [p for p in parameters if not isinstance(p, AddIp | DeleteIp)]
    preferred = SetPrimary(deletes[0].correlation_id if deletes else OWN_IDS, adds[-1].address)
    again = [replace(p, correlation_id=OWN_IDS + n) for n, p in enumerate(deletes)]
    return (*others, *adds, preferred, *again)


def _remember(table: dict[_K, _V], key: _K, value: _V) -> None:
    table[key] = value
    while len(table) > _REMEMBERED:
        del table[next(iter(table))]
