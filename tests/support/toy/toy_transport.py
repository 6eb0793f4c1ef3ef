"""A transport from outside roamlab: UDP, with each message between two marks. What docs/transports.md shows."""

from __future__ import annotations

from roamlab.protocols import payload
from roamlab.protocols.trace import Sighting, UdpPacket
from roamlab.transports.base import Crossings, Reader, Sink, Transport
from roamlab.transports.byte_streams import ends
from roamlab.transports.udp import Flow, FlowListener

MARK = b"<toy>"


class MarkedFlow(Flow):
    """A flow whose datagrams are marked."""

    def send(self, data: bytes) -> bool:
        """Send a marked datagram."""
        return super().send(MARK + data + MARK)

    def receive(self):
        """The next message, without its marks."""
        received = super().receive()
        return received.removeprefix(MARK).removesuffix(MARK) if isinstance(received, bytes) else received


class MarkedListener(FlowListener):
    """Makes marked flows."""

    flow = MarkedFlow


class MarkedReader:
    """Finds marked datagrams in a capture."""

    def read(self, packet: Sighting, sink: Sink) -> None:
        """Tell the sink of the message in a marked datagram."""
        if not isinstance(packet, UdpPacket) or not packet.udp.payload.startswith(MARK):
            return
        key, data = frozenset(ends(packet)), packet.udp.payload.removeprefix(MARK).removesuffix(MARK)
        if not sink.known(key) and payload.decode(data) is not None:
            sink.carrier(key, "toy flow")
        sink.message(packet, data, key)


class Toy(Transport):
    """UDP with marks around each message."""

    name = "toy"
    carrier = "toy flow"
    reliable = False
    repeats = False
    connecting = Crossings(up=(1, 0), down=(1, 1))

    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> MarkedFlow:
        """A marked flow, to be connected."""
        return MarkedFlow.open(local)

    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> MarkedListener:
        """Wait for marked flows."""
        return MarkedListener(local, port)

    def reader(self) -> Reader:
        """A reader of marked datagrams."""
        return MarkedReader()


TOY = Toy()
