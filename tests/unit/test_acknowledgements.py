"""The filter before a mobile node's watch: bulk traffic stays with the kernel, ASCONF-ACKs come through."""

import socket

import pytest

from roamlab.agents.acknowledgements import attach
from roamlab.protocols.sctp.chunks import AsconfAck, Auth, Chunk, Data, Heartbeat, Sack

IPV4 = bytes([0x46]) + bytes(23)  # a header with options: the filter must not take its length for granted
HEADER = bytes(12)
DATA = Data(tsn=1, stream=0, ssn=0, ppid=0, data=b"abcd", flags=3)
SACK = Sack(cumulative_tsn=1, a_rwnd=1000, gaps=((2, 3),), duplicates=(9,))
AUTH = Auth(key_id=0, hmac_id=1, hmac=bytes(20))
ACK = AsconfAck(serial=7, parameters=())


@pytest.mark.parametrize(
    ("bundled", "seen"),
    [
        ([DATA], False),
        ([DATA, DATA], False),
        ([SACK], False),
        ([SACK, DATA], False),
        ([AUTH, ACK], True),
        ([ACK], True),
        ([SACK, ACK], True),
        ([SACK, AUTH, ACK, DATA], True),
        ([Heartbeat(parameters=())], True),
    ],
)
@pytest.mark.parametrize("family", [4, 6])
def test_only_what_may_hold_an_acknowledgement_wakes_the_node(
    family: int, bundled: list[Chunk], seen: bool
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setblocking(False)
        attach(ours, ipv4=family == 4)
        packet = (IPV4 if family == 4 else b"") + HEADER + b"".join(chunk.unpadded() for chunk in bundled)
        theirs.settimeout(1)
        theirs.send(packet)
        if seen:
            assert ours.recv(4096) == packet
        else:
            with pytest.raises(BlockingIOError):
                ours.recv(4096)
