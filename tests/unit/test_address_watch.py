"""The watch on a node's addresses: a netlink socket of this machine's kernel, which any user may open."""

import os
import select
import socket
import struct
from contextlib import closing

from roamlab.agents.addresses import AddressWatch

_PATIENCE_S = 10


def test_a_watch_with_nothing_left_to_tell_does_not_wait() -> None:
    with closing(AddressWatch()) as watch:
        # A read that waits fails after a while instead of never ending.
        with socket.socket(fileno=os.dup(watch.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _PATIENCE_S, 0))
        while select.select([watch], (), (), 1.0)[0]:
            list(watch.read())
        assert list(watch.read()) == []
