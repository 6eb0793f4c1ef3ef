"""SCTP by usrsctp, FreeBSD's stack in user space, at both ends of a session or at one of them; raw or over UDP (RFC 6951)."""

from __future__ import annotations

from typing import ClassVar, Final

from roamlab.errors import LabError
from roamlab.protocols.mobility import Verb
from roamlab.transports.base import Channel, Ground, Keeper, Listening, Loop
from roamlab.transports.sctp import Sctp

UDP_PORT: Final = 9899
"""SCTP over UDP (RFC 6951, 5.1)."""
_FIRST: Final = 5
"""Priority of the rule that silences the kernel's SCTP: before all that say where packets go."""


class Usrsctp(Sctp):
    """SCTP, with usrsctp at one end at least.

    Where the mobile node is managed it binds to all its addresses, and announces what changes by itself. The kernel must not
    answer what is meant for usrsctp, so what the kernel's SCTP sends at such a node finds no route.
    """

    needs = frozenset({"sctp"})
    stack = "usrsctp (Debian's libusrsctp2 0.9.5)"
    reconfigures = frozenset({Verb.ADD, Verb.SET_PRIMARY})
    """DELETE follows when the address goes: usrsctp aborts what comes to one that it was told is gone"""
    calls: ClassVar[bool] = True
    """whether who connects has it"""
    listens: ClassVar[bool] = True
    """whether who listens has it"""
    udp_port: ClassVar[int] = 0
    plain: ClassVar[bool] = False
    """whether it is told of addresses as they come and go, and of nothing else"""
    mobility: ClassVar[bool] = False
    """whether its functions for mobile hosts are on"""

    def __init__(self) -> None:
        self._kept = False
        """Whether usrsctp is told of this node's addresses as they come and go."""

    def prepare(self, ground: Ground, caller: str, listener: str) -> None:
        """Keep the kernel's SCTP silent where usrsctp is. UnsupportedHere where this machine has no such library."""
        from roamlab.linux.routes import rule_silencing
        from roamlab.transports.usrsctp_library import IPPROTO_SCTP, MARK, load

        load()
        if self.udp_port:
            return
        for node, has_it in ((caller, self.calls), (listener, self.listens)):
            if has_it:
                ground.namespace(node).rtnl.do(
                    *(
                        rule_silencing(version, IPPROTO_SCTP, but_marked=MARK, priority=_FIRST)
                        for version in (4, 6)
                    )
                )

    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> Channel:
        """An association to be connected: from all addresses where usrsctp is told of these, else from a local one."""
        if not self.calls:
            return super().open(local, port, kernel_announces=kernel_announces)
        from roamlab.transports.usrsctp_channel import UsrsctpAssociation

        if self._kept:
            local = "::" if ":" in local else "0.0.0.0"
        return UsrsctpAssociation.open(local, port, self.udp_port, mobility=self.mobility)

    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> Listening:
        """Wait for associations."""
        if not self.listens:
            return super().listen(local, port, one_to_many=one_to_many)
        if one_to_many:
            raise LabError("usrsctp listens on one-to-one sockets only here")
        from roamlab.transports.usrsctp_channel import UsrsctpListener

        return UsrsctpListener(local, port, self.udp_port, mobility=self.mobility)

    def keeper(self, loop: Loop, family: int) -> Keeper | None:
        """Who tells usrsctp of addresses that come and go; a mobile node with the kernel's SCTP has its mobility manager."""
        if not self.calls:
            return None
        from roamlab.transports.usrsctp_addresses import UsrsctpAddresses

        self._kept = True
        return UsrsctpAddresses(loop, family, plain=self.plain)


class UsrsctpCalls(Usrsctp):
    """Usrsctp at the mobile node, the kernel's SCTP at the correspondent."""

    name = "usrsctp-mn"
    listens = False
    stack = "usrsctp 0.9.5 at the mobile node, the kernel's at the correspondent"


class UsrsctpListens(Usrsctp):
    """The kernel's SCTP at the mobile node, usrsctp at the correspondent."""

    name = "usrsctp-cn"
    calls = False
    stack = "the kernel's at the mobile node, usrsctp 0.9.5 at the correspondent"
    reconfigures = Sctp.reconfigures


class UsrsctpBoth(Usrsctp):
    """Usrsctp at both ends."""

    name = "usrsctp"


class UsrsctpPlain(Usrsctp):
    """Usrsctp at the mobile node as it is on FreeBSD: told of what happens, when it happens."""

    name = "usrsctp-plain"
    listens = False
    stack = UsrsctpCalls.stack
    settings = "usrsctp is told of addresses as they come and go"
    plain = True
    reconfigures = frozenset({Verb.ADD})


class UsrsctpMobility(Usrsctp):
    """Usrsctp at both ends, with what it has for mobile hosts: mobility_base and mobility_fasthandoff."""

    plain = True
    reconfigures = frozenset({Verb.ADD})

    name = "usrsctp-mobility"
    settings = f"{UsrsctpPlain.settings}; mobility_base and mobility_fasthandoff"
    mobility = True


class UsrsctpOverUdp(Usrsctp):
    """Usrsctp at both ends, over UDP."""

    name = "usrsctp-udp"
    settings = "over UDP, port 9899 (RFC 6951)"
    known_to_break = Sctp.known_to_break - {"rebinding"}
    udp_port = UDP_PORT


BOTH: Final = UsrsctpBoth()
CALLS: Final = UsrsctpCalls()
LISTENS: Final = UsrsctpListens()
PLAIN: Final = UsrsctpPlain()
MOBILITY: Final = UsrsctpMobility()
OVER_UDP: Final = UsrsctpOverUdp()
