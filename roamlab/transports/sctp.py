"""SCTP: associations of the kernel's own stack, known on the wire by their verification tags."""

from __future__ import annotations

from typing import Final

from roamlab.protocols.mobility import Verb
from roamlab.protocols.sctp.chunks import Abort, Asconf, AsconfAck, CookieEcho, Data, InitAck, Shutdown
from roamlab.protocols.trace import SctpPacket, Sighting
from roamlab.transports.base import Channel, Crossings, Listening, Reader, Sink, Transport


class SctpReader:
    """Reads chunks; an association has the two tags that its INIT and INIT-ACK chose (RFC 9260, 8.5)."""

    def __init__(self) -> None:
        self._asked: dict[int, int] = {}
        """Whose INIT an INIT-ACK answered, by the tags in the two."""

    def read(self, packet: Sighting, sink: Sink) -> None:
        """Tell the sink of set-ups, ends and DATA."""
        if not isinstance(packet, SctpPacket):
            return
        for chunk in packet.chunks:
            match chunk:
                case InitAck():
                    self._offered(packet.tag, chunk.tag, sink)
                case CookieEcho():
                    if packet.tag in self._asked:
                        sink.carrier(packet.tag, _named(self._asked[packet.tag], packet.tag))
                case Abort() | Shutdown():
                    sink.ended(packet, packet.tag, chunk.name)
                case Data():
                    sink.message(packet, chunk.data, packet.tag)

    def _offered(self, asked: int, offered: int, sink: Sink) -> None:
        """An INIT that comes again is answered with another tag each time, until a COOKIE-ECHO takes one of them."""
        if not sink.known(asked):
            sink.carrier(asked, _named(asked, offered))
        sink.also(asked, offered)
        self._asked[offered] = asked


class Sctp(Transport):
    """SCTP (RFC 9260) with dynamic address reconfiguration (RFC 5061)."""

    name = "sctp"
    carrier = "association"
    needs = frozenset({"sctp"})
    says_when_up = True
    moving = Crossings(up=(2, 1), down=(2, 2))
    """RFC 5061, 5.3, F1: no data from a new address before the ASCONF-ACK; RFC 9260, 5.4: none to one not yet verified."""
    connecting = Crossings(up=(2, 1), down=(2, 2))
    """RFC 9260, 5.1: data may leave with the COOKIE-ECHO, and the peer's after it."""
    known_to_break = frozenset({"nat", "rebinding", "silent"})
    """The ADD IP names an address that means nothing outside, and a NAT of Linux passes no association whose INIT it did not
    see; an ADD IP that leaves on a path that has died is lost, and nothing else may be asked for meanwhile."""
    reconfigures = frozenset(Verb)

    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> Channel:
        """An association from a local address, to be connected."""
        from roamlab.transports.association import Association

        return Association.open(local, port, kernel_announces=kernel_announces)

    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> Listening:
        """Wait for associations, on a one-to-one or a one-to-many socket."""
        from roamlab.transports.association import Listener, OneToManyListener

        return OneToManyListener(local, port) if one_to_many else Listener(local, port)

    def reader(self) -> Reader:
        """A reader of chunks."""
        return SctpReader()

    def asks(self, packet: Sighting) -> bool:
        """Whether a packet has an ASCONF."""
        return isinstance(packet, SctpPacket) and any(isinstance(chunk, Asconf) for chunk in packet.chunks)

    def answers(self, packet: Sighting) -> bool:
        """Whether a packet has an ASCONF-ACK."""
        return isinstance(packet, SctpPacket) and any(isinstance(chunk, AsconfAck) for chunk in packet.chunks)


def _named(asked: int, offered: int) -> str:
    return f"association (tags {asked:08x} and {offered:08x})"


TRANSPORT: Final = Sctp()
