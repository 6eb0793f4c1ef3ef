"""Runs and sweeps ended at random instants leave nothing, and the checks that say so can fail."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels
from roamlab.repeat import torture as module
from roamlab.repeat.torture import torture
from roamlab.repeat.workers import processes
from tests.processes import alive, gone


@pytest.mark.skipif(not lab_kernels(), reason="needs a lab kernel: ./lab kernel")
def test_bouts_leave_nothing_and_every_kept_result_is_whole() -> None:
    bouts = torture(5, seed=26, kernel="uml", on_bout=lambda _bout: None)
    assert {bout.faults for bout in bouts} == {()}
    assert "SIGSTOP to all" in {bout.done for bout in bouts}


def test_a_result_that_is_not_what_its_manifest_says_is_found(tmp_path: Path) -> None:
    (tmp_path / "capture.pcapng").write_bytes(b"one")
    sums = {"capture.pcapng": hashlib.sha256(b"one").hexdigest()}
    (tmp_path / "manifest.json").write_text(json.dumps({"sha256": sums}))
    assert module._damage(tmp_path) == ""
    (tmp_path / "capture.pcapng").write_bytes(b"two")
    assert "capture.pcapng" in module._damage(tmp_path)


def test_a_process_and_a_file_that_stay_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_END_S", 0.0)
    (tmp_path / "roamlab-guest-1").touch()
    staying = subprocess.Popen(["sleep", "1000"])
    try:
        looked = ({staying.pid}, set(), 0.0, tmp_path, tmp_path, module._mounts())
        (fault,) = module._left(*looked, killed=False)
        assert "sleep" in fault
    finally:
        staying.kill()
        staying.wait()
    assert module._left(*looked, killed=False) == ["a file: roamlab-guest-1"]


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


FRONT_END = """
import os, time
from roamlab.repeat.workers import processes
with processes(2) as pool:
    futures = [pool.submit(time.sleep, 1000), pool.submit(time.sleep, 1000)]
    print(*[worker._process.pid for worker in pool._workers], flush=True)
    futures[0].result()
"""


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_workers_die_with_the_front_end_even_in_the_middle_of_their_start(stopped: bool) -> None:
    front_end = subprocess.Popen([sys.executable, "-c", FRONT_END], stdout=subprocess.PIPE, text=True)
    assert front_end.stdout is not None
    workers = [int(word) for word in front_end.stdout.readline().split()]
    assert len(workers) == 2
    if stopped:
        for pid in (*workers, front_end.pid):
            os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + 120
        while any(state(pid) != "T" for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.02)
    front_end.kill()
    front_end.communicate()
    assert gone(workers, 120), [pid for pid in workers if alive(pid)]


def test_a_worker_gives_values_and_errors_and_is_missed_when_killed() -> None:
    with processes(1) as pool:
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 7, 0).result()
        with pytest.raises(Exception, match="SIGKILL"):
            pool.submit(os.kill, pool.submit(os.getpid).result(), signal.SIGKILL).result()
