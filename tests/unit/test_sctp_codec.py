"""Every chunk, parameter and cause by hypothesis: round trips, truncations, junk.

The strategies are made from the declarations themselves, so a type that is added is tested.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.sctp import causes as c
from roamlab.protocols.sctp import chunks as k
from roamlab.protocols.sctp import packet, tlv
from roamlab.protocols.sctp import parameters as p
from roamlab.protocols.sctp.describe import describe, outline
from roamlab.protocols.sctp.packet import Packet

U8, U16, U32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
NUMBERS = {"B": U8, "H": U16, "I": U32}


def lists(element: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(element, max_size=4).map(tuple)


def tails(tail: object) -> st.SearchStrategy[Any]:
    if isinstance(tail, tlv.Numbers):
        return lists(NUMBERS[tail._code])
    if isinstance(tail, tlv.Records):
        return lists(st.tuples(*numbers(tail._layout.format)))
    if isinstance(tail, p.AddressTail):
        return st.ip_addresses()
    if tail is p.IPv4Parameter.tail:
        return st.ip_addresses(v=4)
    if tail is p.IPv6Parameter.tail:
        return st.ip_addresses(v=6)
    if tail is c.CAUSES:
        return lists(causes)
    if tail is p.PARAMETERS:
        return lists(parameters)
    assert tail is tlv.BYTES
    return st.binary(max_size=9)


def numbers(layout: str) -> list[st.SearchStrategy[int]]:
    return [NUMBERS[code] for code in layout.replace("2x", "") if code in NUMBERS]


SPECIAL: dict[type, list[st.SearchStrategy[Any]]] = {
    k.Sack: [U32, U32, lists(st.tuples(U16, U16)), lists(U32)],
    c.MissingMandatoryParameter: [lists(U16)],
    p.ReconfigurationResponse: [U32, U32, st.one_of(st.just(()), st.tuples(U32, U32))],
}


def instances(kind: type) -> st.SearchStrategy[Any]:
    fields = SPECIAL.get(kind)
    if fields is None:
        fields = numbers(kind.fixed.format) + ([tails(kind.tail)] if kind.tail else [])
    flags = {"flags": U8} if issubclass(kind, k.Chunk) else {}
    return st.builds(kind, *fields, **flags)


def raw(kind: type, known: Any, biggest: int) -> st.SearchStrategy[Any]:
    return st.builds(
        kind, st.integers(0, biggest).filter(lambda number: number not in known), st.binary(max_size=9)
    )


CAUSE_KINDS, PARAMETER_KINDS = c.CAUSES._kinds, p.PARAMETERS._kinds
causes = st.one_of(*map(instances, CAUSE_KINDS.values()), raw(c.RawCause, CAUSE_KINDS, 0xFFFF))
parameters = st.one_of(
    *map(instances, PARAMETER_KINDS.values()), raw(p.RawParameter, PARAMETER_KINDS, 0xFFFF)
)
chunks = st.one_of(*map(instances, k.KINDS.values()), raw(k.RawChunk, k.KINDS, 0xFF))
packets = st.builds(Packet, U16, U16, U32, lists(chunks))


@dataclass(frozen=True)
class Space:
    """A space of types: how one is decoded, and all of them."""

    decode_one: Callable[[bytes], tuple[Any, bytes]]
    items: st.SearchStrategy[Any]


SPACES = {
    "chunk": Space(k.decode_one, chunks),
    "parameter": Space(p.PARAMETERS.decode_one, parameters),
    "cause": Space(c.CAUSES.decode_one, causes),
}


@pytest.mark.parametrize("kind", [*k.KINDS.values(), *PARAMETER_KINDS.values(), *CAUSE_KINDS.values()])
def test_a_message_survives_encoding_and_leaves_what_follows(kind):
    decode_one = (
        k.decode_one
        if issubclass(kind, k.Chunk)
        else p.PARAMETERS.decode_one
        if issubclass(kind, p.Parameter)
        else c.CAUSES.decode_one
    )

    @given(instances(kind), st.binary(max_size=5))
    def check(item, rest):
        assert decode_one(item.encode() + rest) == (item, rest)

    check()


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_an_unknown_type_is_kept_as_it_came(space):
    data = b"\x3f\x05\0\x07abc\0"
    item, rest = space.decode_one(data)
    assert (item.value, rest, item.encode()) == (b"abc", b"", data)


@given(packets)
def test_a_packet_survives_encoding(item):
    assert packet.decode(item.encode(), verify=True) == item


@given(packets)
def test_every_truncation_of_a_packet_gives_its_first_chunks_or_decode_error(item):
    data = item.encode()
    for cut in range(len(data)):
        try:
            smaller = packet.decode(data[:cut])
        except DecodeError:
            continue
        assert smaller.chunks == item.chunks[: len(smaller.chunks)]


def shortened(data: bytes, length: int) -> bytes:
    """A message whose length field says that it ends early."""
    return data[:2] + length.to_bytes(2, "big") + data[4:length]


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_truncation_of_a_value_decodes_or_raises_decode_error(space):
    @given(space.items)
    def check(item):
        data = item.unpadded()
        for length in range(len(data)):
            try:
                smaller, rest = space.decode_one(shortened(data, length))
            except DecodeError:
                continue
            assert (smaller.type, rest) == (item.type, b"")

    check()


@given(st.binary(max_size=64), st.sampled_from([*k.KINDS]), U8)
def test_junk_in_a_chunk_decodes_or_raises_decode_error_and_can_be_described(junk, kind, flags):
    data = bytes([kind, flags]) + (len(junk) + 4).to_bytes(2, "big") + junk
    try:
        item, _ = k.decode_one(data)
    except DecodeError:
        return
    assert describe(item).startswith(item.name)
    assert str(next(outline(item))) == item.name
    assert str(next(outline(item, headers=True))).startswith(
        f"{item.name} (0x{kind:02x}), flags 0x{flags:02x}"
    )


@given(st.binary(max_size=64), st.sampled_from([*PARAMETER_KINDS, *CAUSE_KINDS]))
def test_junk_in_a_parameter_or_cause_decodes_or_raises_decode_error(junk, kind):
    data = kind.to_bytes(2, "big") + (len(junk) + 4).to_bytes(2, "big") + junk
    for decode in (p.PARAMETERS.decode, c.CAUSES.decode):
        try:
            decode(data)
        except DecodeError:
            continue


@given(st.binary(max_size=100))
def test_junk_as_a_packet_decodes_or_raises_decode_error(junk):
    try:
        packet.decode(junk)
    except DecodeError:
        return


@given(chunks)
def test_everything_can_be_described(item):
    assert describe(item).startswith(item.name)
    assert len(list(outline(item))) >= 1
    assert f"length {len(item.unpadded())}" in next(outline(item, headers=True)).name


def test_a_length_counts_the_padding_of_all_nested_messages_but_the_last():
    odd = p.SupportedExtensions((0xC1,))
    chunk = k.Init(1, 2, 3, 4, 5, (odd, odd))
    data = chunk.encode()
    assert (len(data), data[2:4]) == (20 + 8 + 8, (20 + 8 + 5).to_bytes(2, "big"))


def test_a_final_chunk_without_its_padding_is_taken():
    assert k.decode(k.CookieEcho(b"12345").unpadded()) == (k.CookieEcho(b"12345"),)


def test_an_asconf_without_address_parameter_decodes_and_has_no_lookup():
    add = p.AddIp(1, IPv4Address("192.0.2.7"))
    chunk, _ = k.decode_one(k.Asconf(1, (add,)).encode())
    assert (chunk.lookup, chunk.requests) == (None, (add,))


def test_the_flags_of_data_have_names():
    flagged = k.Data(1, 2, 3, 4, b"", flags=0b1001)
    assert (flagged.immediate, flagged.unordered, flagged.beginning, flagged.ending) == (
        True,
        False,
        False,
        True,
    )


def test_nesting_without_end_in_copied_parameters_is_described():
    copied = b""
    for _ in range(5000):
        copied = p.UnrecognizedParameter(copied).encode()
    assert "Unrecognized Parameter" in describe(p.UnrecognizedParameter(copied))
