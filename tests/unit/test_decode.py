"""`./lab decode`, on a capture of a real kernel's packets."""

import re
from pathlib import Path

import pytest

from roamlab.errors import BadInput
from roamlab.protocols import trace
from roamlab.protocols.sctp.parameters import PARAMETERS
from roamlab.query.decoding import decode
from tests import second_opinion
from tests.second_opinion import compare_here
from tests.tshark import needs_tshark

REAL = Path(__file__).parent.parent / "captures" / "linux-asconf.pcapng"


def packets(expression: str = "") -> list[str]:
    """One text for each packet that is shown."""
    return "\n".join(decode(REAL, expression)).split("\n\n")[:-1]


@needs_tshark
def test_it_shows_what_tshark_reads() -> None:
    comparison = compare_here([REAL])
    assert comparison.differences == []
    assert comparison.packets == 33
    assert {"INIT", "AUTH", "ASCONF", "ADD IP", "DATA", "SACK"} <= comparison.kinds.keys()


@needs_tshark
@pytest.mark.parametrize(
    ("shown", "instead", "field"),
    [
        (r"    tsn: (\d+)", "    tsn: 1", "sctp.data_tsn_raw"),
        (r"length 16$", "length 24", "sctp.chunk_length"),
        (r"    serial: (\d+)", "    other: 1", "ASCONF: other"),
        (r"        address: (\S+)", "        address: 192.0.2.99", "sctp.parameter_ipv4_address"),
        (r" > 192", " > 193", "ip.dst"),
        (r"flags 0x03", "flags 0x02", "sctp.chunk_flags"),
    ],
)
def test_what_is_shown_otherwise_than_tshark_reads_it_is_found(
    monkeypatch: pytest.MonkeyPatch, shown: str, instead: str, field: str
) -> None:
    monkeypatch.setattr(
        second_opinion, "decode", lambda path: [re.sub(shown, instead, line) for line in decode(path)]
    )
    assert any(f": {field}: " in difference for difference in compare_here([REAL]).differences)


def test_a_name_selects_what_holds_it() -> None:
    shown = packets("asconf")
    assert shown
    assert all("\n  ASCONF (0xc1), flags 0x00, length " in text for text in shown)
    assert len(shown) < len(packets())


def test_all_words_must_fit_and_a_mark_turns_one_round() -> None:
    both = packets("asconf add-ip")
    assert both
    assert len(packets("asconf")) == len(both) + len(packets("asconf !add-ip"))


def test_a_field_selects_by_its_value_at_any_depth() -> None:
    one = next(text for text in packets("asconf") if "ADD IP" in text)
    serial = re.search(r"serial: (\d+)", one)
    assert serial
    assert one in packets(f"serial={serial[1]}")
    tag = re.search(r"verification tag: (\w+)", one)
    assert tag
    assert one in packets(f"tag={tag[1]}")


@pytest.mark.parametrize("word", ["nonsense", "nonsense=1", "serial=", "=1", "!"])
def test_a_word_that_no_packet_can_fit_is_refused(word: str) -> None:
    with pytest.raises(BadInput, match="--filter"):
        decode(REAL, word)


def test_a_file_that_is_no_capture_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    with pytest.raises(BadInput, match="not a capture"):
        decode(tmp_path / "x")
    with pytest.raises(BadInput, match="cannot read"):
        decode(tmp_path / "y")


def test_the_hmac_is_checked_where_the_set_up_is_in_the_capture() -> None:
    shown = packets("auth")
    assert shown
    assert all("\n    checked: right" in text for text in shown)


def test_a_wrong_checksum_is_shown(tmp_path: Path) -> None:
    data = bytearray(REAL.read_bytes())
    first = next(p for p in trace.load(REAL).sctp if len(p.chunks) == 1)
    at = data.index(first.raw)
    data[at + 8] ^= 0xFF
    (tmp_path / "bad.pcapng").write_bytes(data)
    assert any("wrong, 0x" in line for line in decode(tmp_path / "bad.pcapng"))


def test_every_kind_of_parameter_can_be_asked_for() -> None:
    for kind in PARAMETERS.kinds:
        packets(str(kind.name).replace(" ", "-").lower())
