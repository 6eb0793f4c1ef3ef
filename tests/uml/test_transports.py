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
from roamlab.transports import find, names
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


def test_an_unknown_transport_is_named_with_the_nearest() -> None:
    assert {"sctp", "tcp", "udp", "mptcp"} <= set(names())
    with pytest.raises(BadInput, match="no transport 'sctpp'"):
        find("sctpp")
