"""tshark reads the captures of all runs of this session as we do; conftest.py puts this behind the tests that make them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from roamlab.errors import LabError
from roamlab.record import guarded
from roamlab.record.run_directory import CAPTURE, MANIFEST
from tests.second_opinion import compare
from tests.tshark import needs_tshark
from tests.uml.conftest import COMPARED
from tests.uml.mobile_ip_runs import Player, needs_lab_kernel

pytestmark = needs_lab_kernel

ALWAYS = (
    *("fig01 reverse=true encapsulation=gre", "fig01 replay=nonces algorithm=sha256"),
    *("fig05", "fig06", "fig07 way=rewriting", "fig07-refusals", "fig07-unknown", "fig09 family=6", "fig10"),
    *("mip-move transport=udp onward=true", "return-home"),
)
"""Runs that are compared whichever tests were chosen."""
KINDS = {
    *("DATA", "SACK", "INIT", "INIT-ACK", "COOKIE-ECHO", "COOKIE-ACK", "HEARTBEAT", "HEARTBEAT-ACK"),
    *("SHUTDOWN", "SHUTDOWN-ACK", "SHUTDOWN-COMPLETE", "ABORT", "ERROR", "AUTH", "ASCONF", "ASCONF-ACK"),
    *("IPv4 Address", "IPv6 Address", "Heartbeat Info", "State Cookie", "Supported Extensions"),
    *("RANDOM", "CHUNKS", "HMAC-ALGO"),
    *("ADD IP", "DELETE IP", "SET PRIMARY", "Success", "Error Cause Indication"),
    *("Stale Cookie", "Protocol Violation", "Unresolvable Address"),
    *("Request to Delete Last Remaining IP Address", "Request to Delete Source IP Address"),
    *("AgentAdvertisement", "RegistrationRequest", "RegistrationReply"),
}
"""What they hold."""


class Promised(msgspec.Struct):
    """What a manifest promises of the files beside it."""

    sha256: dict[str, str] = {}


def whole(root: Path) -> Iterator[Path]:
    """The captures of run directories, save those that a test has changed afterwards."""
    for manifest in root.rglob(MANIFEST):
        capture = manifest.with_name(CAPTURE)
        try:
            told = guarded.read(manifest.parent, MANIFEST)
            promised = msgspec.json.decode(told, type=Promised).sha256.get(CAPTURE)
        except (msgspec.DecodeError, OSError, RecursionError, LabError):
            continue  # a test's own broken manifest, or what stands in its place
        if capture.is_file() and hashlib.sha256(capture.read_bytes()).hexdigest() == promised:
            yield capture


@needs_tshark
@pytest.mark.timeout(600)
def test_tshark_reads_every_packet_of_every_run_as_we_do(
    mobile_ip: Player,
    more_captures: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> None:
    for run in ALWAYS:
        mobile_ip.named(run)
    captures = [*whole(tmp_path_factory.getbasetemp()), *more_captures]
    assert len(captures) >= len(ALWAYS)
    comparison = compare(captures)
    assert comparison.differences == []
    assert comparison.kinds.keys() >= KINDS
    pytestconfig.stash[COMPARED] = str(comparison)
