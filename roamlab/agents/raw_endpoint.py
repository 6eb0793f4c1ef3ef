"""Associations without a kernel's stack: what no stack would send, from an endpoint of roamlab's own (the *raw* way).

What it does by the book is in ``roamlab/protocols/sctp/endpoint.py``; this is its shell around raw sockets. Each packet that it
was told to send is an event ``raw.sent``, so that a verdict can look for it, and for what was answered, in the capture.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from roamlab.agents.agent import Agent
from roamlab.agents.raw_ip import RawIp
from roamlab.agents.rewriter import parameter
from roamlab.protocols.ip import SCTP, Address, Datagram
from roamlab.protocols.rewriting import OWN_IDS
from roamlab.protocols.sctp.chunks import Asconf, Chunk, CookieEcho, Heartbeat
from roamlab.protocols.sctp.endpoint import SctpEndpoint
from roamlab.protocols.sctp.parameters import HeartbeatInfo, SetPrimary, address_parameter

_NONCE: Final = bytes(8)


@dataclass(slots=True)
class _Held:
    """An association: what it says and hears, the address that it speaks from, and the packet that it said last.

    A ``mute`` one answers nothing.
    """

    end: SctpEndpoint
    source: Address
    last: bytes = b""
    mute: bool = False


class RawEndpoint(Agent):
    """Associations with one peer, each by its local port.

    It answers at whatever address its peer sends to. Where that is one that its kernel has as well, the kernel ends with
    ABORT what it knows nothing of, sooner or later.
    """

    def __init__(self, name: str, control: Any) -> None:
        super().__init__(name, control)
        self._held: dict[int, _Held] = {}
        self._ip = RawIp(self, self._heard)

    # -- commands ----------------------------------------------------------------------------------------------------

    def do_open(self, peer: str) -> None:
        """Take a peer."""
        self._peer = ip_address(peer)

    def do_initiate(
        self,
        port: int,
        peer_port: int,
        local: str,
        tsn: int | None = None,
        secured: bool = True,
        echoes: bool = True,
        also: Sequence[str] = (),
        prefer: str = "",
        prefers_first: bool = False,
    ) -> None:
        """Send an INIT; the set-up goes on by itself where it ``echoes``. ``tsn`` is drawn where there is none.

        The INIT lists ``local`` and ``also``, and has SET PRIMARY of the address that it is to ``prefer``, behind these or,
        with ``prefers_first``, before them.
        """
        tag, drawn = (int.from_bytes(os.urandom(4), "big") or 1 for _ in range(2))
        source = ip_address(local)
        end = SctpEndpoint(
            port,
            peer_port,
            tag,
            drawn if tsn is None else tsn,
            os.urandom(32),
            (source, *map(ip_address, also)),
            secured=secured,
            echoes=echoes,
            preference=SetPrimary(0, ip_address(prefer)) if prefer else None,
            prefers_first=prefers_first,
        )
        self._held[port] = _Held(end, source)
        self._put(source, end.init())

    def do_echo(self, port: int, damaged: bool) -> None:
        """Send the cookie back, whole or with one bit of it turned round."""
        held = self._held[port]
        if not held.end.cookie:
            self.emit("cookie.none")
            return
        self.emit("cookie.echo", damaged=damaged, port=port)
        self._put(held.source, held.end.cookie_echo(damaged=damaged))

    def do_mute(self, port: int) -> None:
        """Answer nothing any more in an association."""
        self._held[port].mute = True

    def do_say(
        self, port: int, act: int, chunks: list[dict[str, Any]], source: str = "", to: str = ""
    ) -> None:
        """Send these chunks in one packet, from ``source`` or its usual address, ``to`` the peer's; none: the last again."""
        held = self._held[port]
        if chunks:
            held.last = held.end.packet(*(self._chunk(held, spec) for spec in chunks))
        address = ip_address(source) if source else held.source
        details = {"act": act, "port": port, "source": str(address)}
        self.emit("raw.sent", **details, data=held.last.hex())
        self._put(address, held.last, ip_address(to) if to else None)

    # -- what is said and heard ----------------------------------------------------------------------------------------

    def _chunk(self, held: _Held, spec: dict[str, Any]) -> Chunk:
        """The chunk that a command names. An ASCONF is found ``by`` an address parameter unless it is to ``lack`` one."""
        if spec["kind"] == "cookie-echo":
            return CookieEcho(held.end.cookie)
        if spec["kind"] == "asconf-ack":
            said = {"understood": spec["understood"], "refused": spec["refused"]}
            return held.end.acknowledgement(spec["serial"], **said)
        if spec["kind"] == "heartbeat":
            return Heartbeat((HeartbeatInfo(_NONCE),))
        wanted = [parameter(r["verb"], r["address"], OWN_IDS + n) for n, r in enumerate(spec["requests"])]
        by = ip_address(spec["by"]) if spec["by"] else held.source
        found_by = () if spec["lack"] else (address_parameter(by),)
        return Asconf(spec["serial"], (*found_by, *wanted))

    def _heard(self, datagram: Datagram, outgoing: bool) -> None:
        if outgoing or datagram.protocol != SCTP or datagram.source != self._peer:
            return
        held = self._held.get(int.from_bytes(datagram.payload[2:4], "big"))
        if held is not None and not held.mute and (reply := held.end.receive(datagram.payload)) is not None:
            self._put(datagram.destination, reply)

    def _put(self, source: Address, data: bytes, to: Address | None = None) -> None:
        self._ip.put(source, to or self._peer, SCTP, data)
