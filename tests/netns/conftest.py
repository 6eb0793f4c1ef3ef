"""A skip for who may not make network namespaces, and networks that are stopped whatever happens."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from roamlab.linux.errors import MissingKernelOption
from roamlab.linux.namespace import Namespace
from roamlab.network.net import Mininet
from roamlab.network.node import Node
from roamlab.record.events import NicEvent
from roamlab.topologies import TwoSegments


@pytest.fixture(autouse=True, scope="session")
def _may_make_namespaces() -> None:
    try:
        Namespace.new({}).close()
    except PermissionError:
        pytest.skip("needs CAP_SYS_ADMIN: run as root, or with unshare -Urn")


class Events(list[NicEvent]):
    """Collects what a network says about its NICs."""

    def __call__(self, event: NicEvent) -> None:
        self.append(event)

    def kinds(self) -> list[str]:
        return [event.kind for event in self]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def net(events: Events) -> Iterator[Mininet]:
    with Mininet(TwoSegments(), on_event=events) as network:
        yield network


def until(condition: Callable[[], bool], seconds: float = 3.0) -> bool:
    """Whether the condition comes true in time; the kernel tells of carriers from a worker of its own."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def udp(node: Node, address: str, port: int = 7) -> socket.socket:
    """A UDP socket in a node's namespace; it stays there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with node.namespace.entered():
        sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(1.0)
    sock.bind((address, port))
    return sock


def reaches(source: Node, own: str, target: Node, other: str, *, patience_s: float = 5.0) -> bool:
    """Whether a datagram from address `own` of one node arrives at address `other` of another, and one back."""
    with udp(source, own, 0) as here, udp(target, other) as there:
        here.settimeout(patience_s)
        there.settimeout(patience_s)
        try:
            here.sendto(b"there", (other, 7))
            _, sender = there.recvfrom(100)
            there.sendto(b"back", sender)
            return here.recv(100) == b"back" and sender[0] == own
        except OSError:
            return False


def has_netem() -> bool:
    """Whether this kernel has netem."""
    try:
        with Mininet(TwoSegments(edge_delay_ms=1)):
            return True
    except MissingKernelOption:
        return False
