"""`./lab decode`, on a capture of a real kernel's packets."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.decoding import decode
from experiments.errors import BadInput
from protocols import trace
from protocols.sctp.parameters import PARAMETERS

REAL = Path(__file__).parent.parent / "captures" / "linux-asconf.pcapng"


def packets(expression: str = "") -> list[str]:
    """One text for each packet that is shown."""
    return "\n".join(decode(REAL, expression)).split("\n\n")[:-1]


def numbers(text: str, pattern: str) -> list[int]:
    return [int(found, 0) for found in re.findall(pattern, text, re.MULTILINE)]


@pytest.fixture(scope="module")
def tshark() -> list[dict[str, list[str]]]:
    """What tshark reads in each SCTP packet, by field."""
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark")
    names = ["srcport", "dstport", "verification_tag", "checksum", "chunk_type", "data_tsn_raw"]
    names += [
        "asconf_seq_nr_number",
        "asconf_ack_seq_nr_number",
        "parameter_ipv4_address",
        "parameter_ipv6_address",
        "correlation_id",
    ]
    fields = [part for name in names for part in ("-e", f"sctp.{name}")]
    options = ["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"]
    done = subprocess.run(
        ["tshark", "-r", REAL, "-Y", "sctp", *options, *fields], capture_output=True, text=True, check=True
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [{n: v.split(",") if v else [] for n, v in zip(names, row, strict=True)} for row in rows]


FIELDS = {
    "srcport": r"^    source port: (\d+)",
    "dstport": r"^    destination port: (\d+)",
    "verification_tag": r"^    verification tag: (\w+)",
    "checksum": r"^    checksum: (\w+) \(right\)",
    "chunk_type": r"^  \S.* \((0x..)\)$",
    "data_tsn_raw": r"^  DATA .*\n(?:    .*\n)*?    tsn: (\d+)",
    "asconf_seq_nr_number": r"^    serial: (\d+)",
    "correlation_id": r"^ +correlation_id: (\d+)",
}


@pytest.mark.parametrize("field", FIELDS)
def test_it_shows_what_tshark_shows(tshark: list[dict[str, list[str]]], field: str) -> None:
    shown = packets()
    assert len(shown) == len(tshark)
    for ours, theirs in zip(shown, tshark, strict=True):
        both = theirs[field] + (theirs["asconf_ack_seq_nr_number"] if field == "asconf_seq_nr_number" else [])
        assert numbers(ours, FIELDS[field]) == [int(value, 0) for value in both]


def test_addresses_are_those_that_tshark_shows(tshark: list[dict[str, list[str]]]) -> None:
    seen = 0
    for ours, theirs in zip(packets(), tshark, strict=True):
        expected = sorted(theirs["parameter_ipv4_address"] + theirs["parameter_ipv6_address"])
        assert sorted(re.findall(r"^ +address: (\S+)", ours, re.MULTILINE)) == expected
        seen += len(expected)
    assert seen


def test_a_name_selects_what_holds_it() -> None:
    shown = packets("asconf")
    assert shown
    assert all("\n  ASCONF (0xc1)" in text for text in shown)
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
