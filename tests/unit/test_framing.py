"""Messages on byte streams: cut and put together again however the bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.framing import Deframer, Reassembly, frame

MESSAGES = st.lists(st.binary(max_size=300), max_size=8)


@given(MESSAGES, st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_messages_come_out_as_they_went_in_whatever_the_pieces(messages, sizes):
    stream = b"".join(map(frame, messages))
    deframer, found, at, turn = Deframer(), [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += deframer.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == messages


def test_a_length_that_no_message_has_is_refused():
    with pytest.raises(DecodeError):
        Deframer().feed(b"\xff\xff\xff\xff")


@given(
    st.binary(min_size=1, max_size=400),
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(0, 399), st.integers(1, 120)), max_size=30),
    st.randoms(use_true_random=False),
)
def test_segments_in_any_order_repeated_and_overlapping_give_the_stream_once(stream, first, extra, random):
    """Sequence numbers wrap."""
    cuts = [(at, 37) for at in range(0, len(stream), 37)] + extra
    random.shuffle(cuts)
    reassembly = Reassembly(first)
    got = b"".join(reassembly.feed((first + at) % 2**32, stream[at : at + size]) for at, size in cuts)
    assert got == stream


def test_bytes_wait_for_those_before_them():
    reassembly = Reassembly(100)
    assert reassembly.feed(103, b"def") == b""
    assert reassembly.feed(100, b"abc") == b"abcdef"


def test_a_segment_that_brings_nothing_new_adds_nothing():
    reassembly = Reassembly(100)
    reassembly.feed(100, b"abc")
    assert reassembly.feed(100, b"abc") == b""
    assert reassembly.feed(102, b"") == b""
