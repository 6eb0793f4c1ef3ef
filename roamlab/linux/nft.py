"""nftables over netlink (linux/netfilter/nf_tables.h): tables, chains and rules, and the expressions that rules consist of.

A chain is made with its table. What is made lives as long as its network namespace.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roamlab.linux.netlink import (
    ACK,
    APPEND,
    CREATE,
    ERROR,
    REQUEST,
    attribute,
    frame,
    messages,
    nest,
    open_socket,
)

NETLINK_NETFILTER: Final = 12
IPV4, IPV6 = 2, 10  # NFPROTO_*
LOCAL_IN, FORWARD, LOCAL_OUT, POST_ROUTING = 1, 2, 3, 4  # hooks
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
IIF, OIF, L4PROTO = 4, 5, 16  # NFT_META_*
REGISTER: Final = 1
EQUAL, UNEQUAL, GREATER = 0, 1, 4  # NFT_CMP_*
_VERDICT_REGISTER: Final = 0
_TABLES, _BATCH_BEGIN, _BATCH_END = 10, 0x10, 0x11
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE, _DELETE_RULE = 0, 3, 6, 8
_CT_STATE: Final = 0
_PORTS_GIVEN: Final = 1 << 1  # NF_NAT_RANGE_PROTO_SPECIFIED


@dataclass(frozen=True, slots=True)
class Chain:
    """A base chain: its name, its kind (``filter`` or ``nat``), the hook where packets pass it, and the hook's priority."""

    name: str
    kind: str
    hook: int
    priority: int = 0


class Netfilter:
    """A netlink socket to the netfilter of the network namespace that the caller stands in.

    Its calls raise OSError where the kernel refuses, or lacks what is asked for.
    """

    def __init__(self, purpose: str) -> None:
        """``purpose`` says in an error's sentence what could not be done."""
        self.socket = open_socket(NETLINK_NETFILTER)
        self._purpose = purpose
        self._sequence = 0

    def make(self, family: int, table: str, chains: Sequence[tuple[Chain, Sequence[bytes]]]) -> None:
        """Make a table with its chains, each with its rules: the expressions of a rule are one piece of bytes."""
        flags = REQUEST | CREATE
        named = text(1, table)
        batch = self._begin()
        batch += self.message(_TABLES, _NEW_TABLE, flags, named, family)
        for chain, _ in chains:
            hook = nest(4, number(1, chain.hook) + number(2, chain.priority & 0xFFFFFFFF))
            body = named + text(3, chain.name) + hook + text(7, chain.kind)
            batch += self.message(_TABLES, _NEW_CHAIN, flags, body, family)
        for chain, rules in chains:
            for rule in rules:
                batch += self._rule(family, table, chain.name, rule)
        self._commit(batch)

    def replace(self, family: int, table: str, chain: str, rules: Sequence[bytes]) -> None:
        """Put these rules in the place of all that a chain has."""
        batch = self._begin()
        batch += self.message(_TABLES, _DELETE_RULE, REQUEST | ACK, text(1, table) + text(2, chain), family)
        for rule in rules:
            batch += self._rule(family, table, chain, rule)
        self._commit(batch)

    def ask(self, subsystem: int, kind: int, body: bytes, family: int, resource: int = 0) -> None:
        """Send a message of any subsystem and wait for its acknowledgement."""
        self.socket.send(self.message(subsystem, kind, REQUEST | ACK, body, family, resource))
        self._await(self._sequence)

    def message(
        self, subsystem: int, kind: int, flags: int, body: bytes, family: int, resource: int = 0
    ) -> bytes:
        """A message, numbered."""
        self._sequence += 1
        head = struct.pack("!BBH", family, 0, resource)
        return frame(subsystem << 8 | kind, flags, self._sequence, head + body)

    def close(self) -> None:
        """Close the socket; what was made stays."""
        self.socket.close()

    def _begin(self) -> bytes:
        return self.message(0, _BATCH_BEGIN, REQUEST, b"", 0, _TABLES)

    def _rule(self, family: int, table: str, chain: str, rule: bytes) -> bytes:
        body = text(1, table) + text(2, chain) + nest(4, rule)
        return self.message(_TABLES, _NEW_RULE, REQUEST | CREATE | APPEND | ACK, body, family)

    def _commit(self, batch: bytes) -> None:
        last = self._sequence
        self.socket.send(batch + self.message(0, _BATCH_END, REQUEST, b"", 0, _TABLES))
        self._await(last)

    def _await(self, sequence: int) -> None:
        """Wait for the kernel's answer to a message; OSError for its error, or that of an earlier one."""
        while True:
            for answer in messages(self.socket.recv(1 << 17)):
                if answer.kind != ERROR:
                    continue
                if answer.error:
                    raise OSError(answer.error, f"cannot {self._purpose}: {os.strerror(answer.error)}")
                if answer.sequence == sequence:
                    return


# -- expressions -------------------------------------------------------------------------------------------------------


def expression(name: str, data: bytes) -> bytes:
    """An expression of a rule, with its attributes."""
    return nest(1, text(1, name) + nest(2, data))


def meta(key: int) -> bytes:
    """Load what the kernel knows of a packet (NFT_META_*)."""
    return expression("meta", number(1, REGISTER) + number(2, key))


def header(base: int, offset: int, length: int) -> bytes:
    """Load octets of a packet's header."""
    return expression(
        "payload", number(1, REGISTER) + number(2, base) + number(3, offset) + number(4, length)
    )


def compare(value: bytes, how: int = EQUAL) -> bytes:
    """Go on with the rule only where what was loaded compares so with a value (in the order of the network)."""
    return expression("cmp", number(1, REGISTER) + number(2, how) + nest(3, attribute(1, value)))


def tracked_as(states: int) -> bytes:
    """Go on only where connection tracking has a packet in one of these states (bits, NF_CT_STATE_BIT)."""
    load = expression("ct", number(1, REGISTER) + number(2, _CT_STATE))
    mask = nest(4, attribute(1, struct.pack("=I", states)))
    none = nest(5, attribute(1, bytes(4)))
    masked = expression("bitwise", number(1, REGISTER) + number(2, REGISTER) + number(3, 4) + mask + none)
    return load + masked + compare(bytes(4), UNEQUAL)


def drop() -> bytes:
    """Drop the packet (NF_DROP)."""
    return expression("immediate", number(1, _VERDICT_REGISTER) + nest(2, nest(2, number(1, 0))))


def masquerade(first: int = 0, last: int = 0) -> bytes:
    """Give a packet the address of the NIC that it leaves by, from ports ``first`` to ``last`` where they are given."""
    if not first:
        return expression("masq", b"")
    ports = b"".join(
        expression("immediate", number(1, register) + nest(2, attribute(1, struct.pack("!H", port))))
        for register, port in ((1, first), (2, last))
    )
    return ports + expression("masq", number(1, _PORTS_GIVEN) + number(2, 1) + number(3, 2))


def number(kind: int, value: int) -> bytes:
    """An attribute that is a number."""
    return attribute(kind, struct.pack("!I", value))


def text(kind: int, value: str) -> bytes:
    """An attribute that is a text."""
    return attribute(kind, value.encode() + b"\0")
