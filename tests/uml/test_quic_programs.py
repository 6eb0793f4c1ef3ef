"""Programs that talk QUIC, and were not written for roamlab: which connection is which after a move."""

import shlex
import sys
from pathlib import Path

from roamlab.kernels.choose import select
from roamlab.protocols import trace
from roamlab.protocols.conversations import Conversation, follow
from roamlab.record.result import Judgement
from roamlab.record.run_directory import CAPTURE
from roamlab.registry import find
from roamlab.runs import orchestrator
from roamlab.where import ROOT
from tests.uml.mobile_ip_runs import needs_lab_kernel

pytestmark = needs_lab_kernel
ECHO = shlex.join([sys.executable, str(ROOT / "tests" / "support" / "quic_programs" / "echo.py")])


def played(tmp_path: Path, mn: str) -> tuple[Judgement, list[Conversation]]:
    """The verdict on a line for a shell on the mobile node, and its conversations. The move is at 5 s, for 2 s."""
    chosen = find("programs")
    settings = {"cn": f"{ECHO} serve 4433", "ready": "ready", "mn": mn, "directory": str(ROOT)}
    result = orchestrator.run(
        chosen, chosen.complete(settings), seed=3, kernel=select("uml"), runs=tmp_path, on_line=lambda _: None
    )
    captured = trace.load(Path(result.run_dir) / CAPTURE, {"mn", "cn"})
    return result.judgement, follow(captured, "mn", {"mn", "cn"}, 1 << 62)


def test_a_connection_that_nobody_moves_is_the_same_by_its_ids(tmp_path: Path) -> None:
    judgement, (talk,) = played(tmp_path, f"{ECHO} ask cn 4433 30")
    assert judgement.verdict == "survived", judgement.reasons
    assert "the same connection went on at 198.51.100.10" in judgement.reasons[0]
    assert (talk.kind, talk.addresses) == ("quic", ["192.0.2.10", "198.51.100.10"])


def test_two_connections_that_migrate_to_ids_that_nobody_can_read_are_two_afterwards(tmp_path: Path) -> None:
    ask = f"{ECHO} ask cn 4433 50 migrate"
    judgement, found = played(tmp_path, f"{ask} & {ask}; wait")
    assert judgement.verdict == "survived", judgement.reasons
    assert [(t.kind, t.addresses) for t in found] == [("quic", ["192.0.2.10", "198.51.100.10"])] * 2
    heard = [[m for m in t.heard if m.way == "down"] for t in found]
    assert abs(len(heard[0]) - len(heard[1])) < 10, [len(moments) for moments in heard]
