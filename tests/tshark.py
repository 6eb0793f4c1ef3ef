"""tshark's reading of a capture, field by field, and where it has what `./lab decode` prints."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import which

import pytest

needs_tshark = pytest.mark.skipif(which("tshark") is None, reason="needs tshark: apt-get install tshark")

Cells = dict[str, list[str]]
"""A packet's values by tshark's names of fields, in the order of the wire; numbers in decimal, bytes by their beginning."""

_LONGEST = 64  # hexadecimal digits that `./lab decode` prints of opaque data
_STATELESS = (
    *("ip.defragment:FALSE", "ipv6.defragment:FALSE"),
    *("sctp.checksum:CRC 32c", "sctp.reassembly:FALSE", "sctp.tsn_analysis:FALSE"),
)

# Of `./lab decode`: (chunk, parameter or cause; field). Of tshark: its field, without "sctp.".
VALUES = {
    ("DATA", "tsn"): "data_tsn_raw",
    ("DATA", "stream"): "data_sid",
    ("DATA", "ssn"): "data_ssn",
    ("DATA", "ppid"): "data_payload_proto_id",
    ("I-DATA", "tsn"): "data_tsn_raw",
    ("I-DATA", "stream"): "data_sid",
    ("I-DATA", "mid"): "data_mid",
    ("I-DATA", "ppid_or_fsn"): "data_payload_proto_id",
    **{
        (name, ours): f"{short}_{theirs}"
        for name, short in (("INIT", "init"), ("INIT-ACK", "initack"))
        for ours, theirs in (
            ("tag", "initiate_tag"),
            ("a_rwnd", "credit"),
            ("outbound_streams", "nr_out_streams"),
            ("inbound_streams", "nr_in_streams"),
            ("tsn", "initial_tsn"),
        )
    },
    ("SACK", "cumulative_tsn"): "sack_cumulative_tsn_ack_raw",
    ("SACK", "a_rwnd"): "sack_a_rwnd",
    ("SACK", "duplicates"): "sack_duplicate_tsn",
    ("SHUTDOWN", "cumulative_tsn"): "shutdown_cumulative_tsn_ack",
    ("COOKIE-ECHO", "cookie"): "cookie",
    ("ECNE", "lowest_tsn"): "ecne_lowest_tsn",
    ("CWR", "lowest_tsn"): "cwr_lowest_tsn",
    ("AUTH", "key_id"): "shared_key_id",
    ("AUTH", "hmac_id"): "hmac_id",
    ("AUTH", "hmac"): "hmac",
    ("ASCONF", "serial"): "asconf_seq_nr_number",
    ("ASCONF-ACK", "serial"): "asconf_ack_seq_nr_number",
    ("FORWARD-TSN", "cumulative_tsn"): "forward_tsn_tsn",
    ("I-FORWARD-TSN", "cumulative_tsn"): "i_forward_tsn_tsn",
    ("PAD", "padding"): "padding_data",
    ("Heartbeat Info", "information"): "parameter_heartbeat_information",
    ("State Cookie", "cookie"): "parameter_state_cookie",
    ("Cookie Preservative", "increment_ms"): "parameter_cookie_preservative_incr",
    ("Host Name Address", "host"): "parameter_hostname",
    ("Supported Address Types", "types"): "parameter_supported_address_type",
    ("RANDOM", "number"): "random_number",
    ("CHUNKS", "chunk_types"): "chunk_type_to_auth",
    ("HMAC-ALGO", "hmac_ids"): "hmac_id",
    ("Supported Extensions", "chunk_types"): "supported_chunk_type",
    ("Padding", "padding"): "parameter_value",
    **{
        (name, "correlation_id"): "correlation_id"
        for name in ("ADD IP", "DELETE IP", "SET PRIMARY", "Success", "Error Cause Indication")
    },
    ("Adaptation Layer Indication", "code_point"): "adaptation_layer_indication",
    **{
        (f"{name} Request", "request"): "parameter_reconfig_request_sequence_number"
        for name in (
            *("Outgoing SSN Reset", "Incoming SSN Reset", "SSN/TSN Reset"),
            *("Add Outgoing Streams", "Add Incoming Streams"),
        )
    },
    ("Outgoing SSN Reset Request", "response"): "parameter_reconfig_response_sequence_number",
    ("Outgoing SSN Reset Request", "last_tsn"): "parameter_senders_last_assigned_tsn",
    ("Outgoing SSN Reset Request", "streams"): "parameter_reconfig_sid",
    ("Incoming SSN Reset Request", "streams"): "parameter_reconfig_sid",
    ("Add Outgoing Streams Request", "streams"): "parameter_add_outgoing_streams_number",
    ("Add Incoming Streams Request", "streams"): "parameter_add_incoming_streams_number",
    ("Re-configuration Response", "response"): "parameter_reconfig_response_sequence_number",
    ("Re-configuration Response", "result"): "parameter_reconfig_response_result",
    ("Invalid Stream Identifier", "stream"): "cause_stream_identifier",
    ("Missing Mandatory Parameter", "missing"): "cause_missing_parameter_type",
    ("Stale Cookie", "staleness_us"): "cause_measure_of_staleness",
    ("No User Data", "tsn"): "cause_tsn",
    ("Protocol Violation", "information"): "cause_information",
    ("User-Initiated Abort", "reason"): "cause_information",
    ("Association Aborted Due to Illegal ASCONF-ACK", "copied"): "cause_information",
    ("Unsupported HMAC Identifier", "hmac_id"): "hmac_id",
}
# Lists of rows: where tshark has each column.
ROWS = {
    ("SACK", "gaps"): ("sack_gap_block_start", "sack_gap_block_end"),
    ("FORWARD-TSN", "skipped"): ("forward_tsn_sid", "forward_tsn_ssn"),
    ("I-FORWARD-TSN", "skipped"): ("i_forward_tsn_sid", "i_forward_tsn_flags", "forward_tsn_mid"),
    ("Re-configuration Response", "next_tsns"): (
        *("parameter_senders_next_tsn", "parameter_receivers_next_tsn"),
    ),
}
# How many there are, where the wire says so.
COUNTS = {
    ("SACK", "gaps"): "sack_number_of_gap_blocks",
    ("SACK", "duplicates"): "sack_number_of_duplicated_tsns",
    ("Missing Mandatory Parameter", "missing"): "cause_nr_of_missing_parameters",
}
BYTES = frozenset(
    {
        *("cookie", "hmac", "random_number", "padding_data"),
        *("chunk_value", "parameter_value", "cause_information"),
        *("parameter_heartbeat_information", "parameter_state_cookie"),
    }
)
_HEADERS = (
    *("srcport", "dstport", "verification_tag", "checksum", "checksum.status"),
    *("chunk_type", "chunk_flags", "chunk_length", "chunk_value"),
    *("parameter_type", "parameter_length", "parameter_value"),
    *("parameter_ipv4_address", "parameter_ipv6_address", "cause_code", "cause_length"),
)
_REGISTRATION = (
    *("type", "flags", "code", "life", "homeaddr", "haaddr", "coa", "ident"),
    *("ext.type", "ext.len", "auth.spi", "auth.auth"),
)
_DISCOVERY = (
    *("type", "code", "checksum.status", "num_addrs", "addr_entry_size", "lifetime"),
    *("router_address", "pref_level"),
    *("mip.type", "mip.length", "mip.seq", "mip.life", "mip.flags", "mip.coa", "mip.prefixlength"),
)
_COLUMNS = tuple(column for columns in ROWS.values() for column in columns)
FIELDS = (
    *("frame.number", "frame.time_relative", "frame.interface_name", "frame.packet_flags_direction"),
    *("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "data.data"),
    *sorted(f"sctp.{name}" for name in {*_HEADERS, *VALUES.values(), *_COLUMNS, *COUNTS.values()}),
    *(f"mip.{name}" for name in _REGISTRATION),
    *(f"icmp.{name}" for name in _DISCOVERY),
)


def read(capture: Path) -> Iterator[Cells]:
    """What tshark reads in each packet; a field that a packet lacks is left out.

    It looks at each packet by itself: nothing is reassembled, no TSN is compared with those before it.
    """
    command = ["tshark", "-r", str(capture), "-n", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"]
    command += [word for option in _STATELESS for word in ("-o", option)]
    command += [word for name in FIELDS for word in ("-e", name)]
    # tshark dies of a home that it may not read.
    environment = {"PATH": os.environ["PATH"], "TZ": "UTC", "HOME": str(capture.parent)}
    with (capture.parent / "tshark.errors").open("w+") as errors:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process:
            assert process.stdout
            for line in process.stdout:
                row = zip(FIELDS, line.rstrip("\n").split("\t"), strict=True)
                yield {name: [_ours(name, value) for value in cell.split("|")] for name, cell in row if cell}
        errors.seek(0)
        assert process.returncode == 0, errors.read()


def short(digits: str) -> str:
    """Opaque bytes as `./lab decode` prints them."""
    return digits[:_LONGEST] + (f"... ({len(digits) // 2} bytes)" if len(digits) > _LONGEST else "")


def _ours(name: str, value: str) -> str:
    """A value as we write it."""
    if name in ("data.data", "mip.auth.auth") or name.removeprefix("sctp.") in BYTES:
        return short(value.replace(":", ""))
    if name == "mip.ident":
        return _moment(value)
    return str(int(value, 16)) if value.startswith("0x") else value


def _moment(text: str) -> str:
    """ "Nov 23, 2026 05:00:00.123456789 UTC" to the microsecond."""
    day, _, clock = text.removesuffix(" UTC").rpartition(" ")
    date = datetime.strptime(" ".join(day.split()), "%b %d, %Y").replace(tzinfo=UTC)
    whole, _, fraction = clock.partition(".")
    return f"{date:%Y-%m-%d} {whole}.{fraction[:6]}"
