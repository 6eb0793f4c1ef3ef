"""TCP connections and UDP flows as channels of messages, on this machine's stack in a fresh namespace."""

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from roamlab.linux.namespace import Namespace
from roamlab.linux.rtnetlink import set_link
from roamlab.record.events import Notice
from roamlab.transports import find
from roamlab.transports.base import Channel, Listening
from roamlab.transports.tcp import Connection
from roamlab.transports.udp import Flow

HERE, PORT = "127.0.0.1", 5001
LOOPBACK = 1


Keep = Callable[[Any], Any]


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Keeps what has to be closed until the test is over, in a namespace of its own."""
    namespace = Namespace.new({})
    with ExitStack() as stack:
        stack.callback(namespace.close)
        stack.enter_context(namespace.entered())
        namespace.rtnl.do(set_link(LOOPBACK, up=True))
        yield lambda thing: stack.enter_context(closing(thing))


def wait(channel: Channel, *, writable: bool = False) -> bytes | Notice | None:
    """What a channel says next."""
    said = channel.receive()
    if said is None:
        select.select([] if writable else [channel], [channel] if writable else [], [], 2.0)
        said = channel.receive()
    return said


def accept(listener: Listening) -> Channel:
    select.select([listener], [], [], 2.0)
    accepted = listener.accept()
    assert accepted is not None
    return accepted


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_messages_go_both_ways_with_their_borders(keep: Keep, transport: str) -> None:
    listener = keep(find(transport).listen(HERE, PORT))
    caller = keep(find(transport).open(HERE))
    caller.connect(HERE, PORT)
    up = wait(caller, writable=True)
    assert isinstance(up, Notice)
    assert up.kind == {"tcp": "connection.up", "udp": "flow.up"}[transport]
    assert caller.send(b"hello")
    called = keep(accept(listener))
    assert wait(called) == b"hello"
    assert caller.send(b"one")
    assert caller.send(b"two" * 100)
    assert [wait(called), wait(called)] == [b"one", b"two" * 100]
    assert called.send(b"back")
    assert wait(caller) == b"back"
    assert caller.receive() is None
    assert listener.accept() is None


def test_the_end_of_a_connection_is_an_empty_message(keep: Keep) -> None:
    listener = keep(find("tcp").listen(HERE, PORT))
    caller = keep(find("tcp").open(HERE))
    caller.connect(HERE, PORT)
    wait(caller, writable=True)
    called = keep(accept(listener))
    caller.shutdown()
    assert wait(called) == b""


def test_a_refused_connection_has_failed(keep: Keep) -> None:
    caller = keep(find("tcp").open(HERE))
    caller.connect(HERE, PORT)
    said = wait(caller, writable=True)
    assert isinstance(said, Notice)
    assert said.kind == "connection.failed"


def test_a_reset_connection_is_lost_and_then_at_its_end(keep: Keep) -> None:
    listener = keep(find("tcp").listen(HERE, PORT))
    raw = socket.create_connection((HERE, PORT))
    called = keep(accept(listener))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raw.close()
    said = wait(called)
    assert isinstance(said, Notice)
    assert said.kind == "connection.lost"
    assert called.receive() == b""


def test_bytes_that_are_no_message_of_ours_lose_the_connection(keep: Keep) -> None:
    listener = keep(find("tcp").listen(HERE, PORT))
    with socket.create_connection((HERE, PORT)) as raw:
        called = keep(accept(listener))
        raw.sendall(b"\xff\xff\xff\xff")
        said = wait(called)
    assert isinstance(said, Notice)
    assert said.kind == "connection.lost"


def test_a_flow_goes_on_where_the_network_says_that_a_datagram_was_lost(keep: Keep) -> None:
    caller = keep(Flow.open(HERE))
    caller.connect(HERE, PORT)
    caller.receive()
    assert caller.send(b"to nobody")
    assert caller.send(b"to nobody again")
    assert caller.receive() is None


def test_a_full_connection_takes_no_more_until_it_has_room(keep: Keep) -> None:
    listener = keep(find("tcp").listen(HERE, PORT))
    caller = keep(Connection.open(HERE))
    caller.connect(HERE, PORT)
    wait(caller, writable=True)
    keep(accept(listener))
    sent = 0
    while sent < 10_000 and caller.send(bytes(60_000)):
        sent += 1
    assert 0 < sent < 10_000


def test_sending_on_a_reset_connection_is_reported_to_the_reader(keep: Keep) -> None:
    listener = keep(find("tcp").listen(HERE, PORT))
    raw = socket.create_connection((HERE, PORT))
    called = keep(accept(listener))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raw.close()
    assert called.send(b"to nobody")
    said = wait(called)
    assert isinstance(said, Notice)
    assert said.kind == "connection.lost"
    assert called.receive() == b""
