"""A transport that roamlab does not have, added by an entry point, carries a session through a move."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roamlab.errors import BadInput
from roamlab.transports import find, names
from roamlab.where import ROOT
from tests.uml.mobile_ip_runs import needs_lab_kernel

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


def test_an_unknown_transport_is_named_with_the_nearest() -> None:
    assert {"sctp", "tcp", "udp"} <= set(names())
    with pytest.raises(BadInput, match="no transport 'sctpp'"):
        find("sctpp")
