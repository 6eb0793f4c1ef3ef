"""Events of QUIC's endpoints, which run in user space and tell what the wire hides."""

from __future__ import annotations

from roamlab.record.event import Event
from roamlab.record.events import Notice


class QuicSecret(Notice, tag="quic.secret"):
    """A secret of a connection's TLS handshake, as `SSLKEYLOGFILE` has it (RFC 9850): the judge decrypts the capture with it.

    Both ends of a connection report the same ones.
    """

    label: str = ""
    """which it is, `CLIENT_TRAFFIC_SECRET_0` for one"""
    client_random: str = ""
    """of the ClientHello, in hexadecimal: it tells connections apart"""
    secret: str = ""
    """in hexadecimal"""


class QuicMigrated(Event, tag="quic.migrated"):
    """A client sends from another address from now on, to another connection id of its peer's where it had one left."""

    address: str
    before: str
    connection_id: str
    """the peer's, in hexadecimal, that packets from the new address have"""
