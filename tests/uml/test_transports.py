"""A transport that roamlab does not have, added by an entry point, carries a session through a move."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roamlab.errors import BadInput
from roamlab.protocols import mptcp
from roamlab.protocols.mptcp import RemoveAddress
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.quic import Frame, PathChallenge, PathResponse
from roamlab.protocols.trace import IpDatagram, UdpPacket
from roamlab.record import verified
from roamlab.record.events import PathState
from roamlab.record.quic_events import QuicMigrated, QuicSecret
from roamlab.record.run_directory import RunDirectory
from roamlab.repeat.prove import replay
from roamlab.transports import find, names
from roamlab.transports.quic_reader import QuicReader
from roamlab.where import ROOT
from tests.uml.mobile_ip_runs import Played, Player, needs_lab_kernel

TOY = ROOT / "tests" / "support" / "toy"


@needs_lab_kernel[0]
@needs_lab_kernel[1]
def test_a_transport_from_outside_is_played_and_judged(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "roamlab.cli", "run", str(TOY / "over_toy.py")]
    command += ["--runs", str(tmp_path), "--no-report", "--json"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["verdict"] == "survived"
    assert "the same toy flow" in verdict["reasons"][0]
    assert verdict["delivered"]["down"] > 300


def removals(run: Played) -> int:
    """How many segments with a REMOVE_ADDR were captured at the correspondent, on their way in."""
    return sum(
        isinstance(option, RemoveAddress)
        for packet in run.trace.tcp
        if packet.node == "cn" and packet.direction is Way.IN
        for option in mptcp.decode(packet.datagram.payload)
    )


@needs_lab_kernel[0]
@needs_lab_kernel[1]
def test_mptcp_keeps_its_connection_through_a_move(mobile_ip: Player) -> None:
    """Down takes a round trip more than its bound: the peer has to be told (REMOVE_ADDR), which the fourth packet allows."""
    run = mobile_ip("move-one-nic", transport="mptcp")
    judgement = run.judgement
    assert judgement.verdict == "survived", judgement.reasons
    assert judgement.outage_s.up == pytest.approx(judgement.lower_bound_s.up, abs=0.02)  # and the neighbour's
    assert judgement.outage_s.down == pytest.approx(judgement.lower_bound_s.down + 0.103, abs=0.02)
    assert removals(run) == 1


@needs_lab_kernel[0]
@needs_lab_kernel[1]
def test_a_remove_addr_before_the_fourth_packet_is_lost(mobile_ip: Player) -> None:
    """docs/findings.md, 26: it is given to the subflow that died, and never sent again."""
    run = mobile_ip("move-one-nic", transport="mptcp-eager")
    assert run.judgement.verdict == "survived"
    assert removals(run) == 0
    assert run.judgement.outage_s.down == pytest.approx(1.123, abs=0.02)


def quic_seen(run: Played, kind: type[Frame], node: str, way: Way) -> list[tuple[int, IpDatagram]]:
    """The packets with a frame of a kind that a node sent or received, with their times since the run's start."""
    reader = QuicReader(event for event in run.events if isinstance(event, QuicSecret))
    found = []
    for packet in run.trace.sightings:
        opened = reader.opened(packet) if isinstance(packet, UdpPacket) else None
        if opened is not None and (packet.node, packet.direction) == (node, way):
            found += [(packet.time_ns - run.start, packet) for f in opened.frames if isinstance(f, kind)]
    return found


@needs_lab_kernel[0]
@needs_lab_kernel[1]
def test_quic_migrates_and_its_peer_validates_the_path(mobile_ip: Player) -> None:
    """A message that is lost at the move holds back those after it, but not where each has a stream of its own."""
    run, apart = (mobile_ip("move-one-nic", transport=name) for name in ("quic", "quic-streams"))
    for played in (run, apart):
        assert played.judgement.verdict == "survived", played.judgement.reasons
    challenges = quic_seen(run, PathChallenge, "mn", Way.IN)
    answers = quic_seen(run, PathResponse, "mn", Way.OUT)
    assert {str(packet.destination) for _, packet in challenges} == {"198.51.100.10"}
    assert {str(packet.source) for _, packet in answers} == {"198.51.100.10"}
    assert apart.judgement.outage_s.up < 0.05 < 0.1 < run.judgement.outage_s.up < 0.2
    assert apart.judgement.outage_s.down == pytest.approx(apart.judgement.lower_bound_s.down, abs=0.04)
    assert {path.name[:3] for path in run.directory.path.glob("*.qlog")} == {"mn-", "cn-"}
    states = {event.address for event in run.events if isinstance(event, PathState) and event.node == "cn"}
    assert states == {"192.0.2.10", "198.51.100.10"}


@needs_lab_kernel[0]
@needs_lab_kernel[1]
def test_a_migration_resets_neither_the_timer_nor_the_window_of_aioquic(mobile_ip: Player) -> None:
    """docs/comparison.md: not even the PING leaves, until a timer is due that doubled each time."""
    run = mobile_ip("move-one-nic", transport="quic", gap="10")
    migrated = next(event.t for event in run.events if isinstance(event, QuicMigrated))
    assert migrated == pytest.approx(15.001e9, abs=0.01e9)
    sent = [
        p.time_ns - run.start
        for p in run.trace.sightings
        if isinstance(p, UdpPacket) and p.node == "mn" and p.direction is Way.OUT
    ]
    assert min(t for t in sent if t > migrated) > migrated + 2e9


@needs_lab_kernel[0]
@needs_lab_kernel[1]
def test_a_transport_that_cannot_move_is_expected_to_break(mobile_ip: Player) -> None:
    judgement = mobile_ip("move-two-nics", transport="tcp", overlap="1").judgement
    assert (judgement.verdict, judgement.expected) == ("broke", "broke")


@needs_lab_kernel[0]
@needs_lab_kernel[1]
def test_a_matrix_plays_each_combination_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "roamlab.cli", "matrix", "--transports", "mptcp,tcp,tcp-mip"]
    command += ["--moves", "two-nics-1", "--kernels", "uml", "--out", str(tmp_path / "m"), "--json"]
    command += ["--guest", "2"]

    def made() -> dict[str, str]:
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {cell["session"]: cell["verdict"] for cell in json.loads(done.stdout)["cells"]}

    assert made() == {"mptcp": "survived", "tcp": "broke", "tcp-mip": "unsupported"}
    runs = sorted((tmp_path / "m" / "runs").glob("*/*"))
    assert len(runs) == 2
    assert made()["mptcp"] == "survived"
    assert sorted((tmp_path / "m" / "runs").glob("*/*")) == runs
    assert {"matrix.html", "matrix.md", "results.parquet"} <= {p.name for p in (tmp_path / "m").iterdir()}
    (second,) = (run for run in runs if verified.manifest(RunDirectory.open(run)).before)
    assert verified.manifest(RunDirectory.open(second)).parameters["transport"] == "tcp"
    again = replay(second, kernel=None, runs=tmp_path / "again", on_line=lambda _line: None)
    assert again.identical, again.differing
    assert not (Path(again.result.run_dir) / "before").exists()


def test_an_unknown_transport_is_named_with_the_nearest() -> None:
    assert {"sctp", "tcp", "udp", "mptcp", "quic", "quic-streams", "quic-passive"} <= set(names())
    with pytest.raises(BadInput, match="no transport 'sctpp'"):
        find("sctpp")
