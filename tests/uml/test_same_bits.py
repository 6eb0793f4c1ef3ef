"""Everything random in a run follows from its seed, whatever the machine does meanwhile."""

from __future__ import annotations

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

import roamlab
from roamlab.errors import BadInput, LabError, UnsupportedHere
from roamlab.kernels.choose import lab_kernels, select
from roamlab.protocols import trace
from roamlab.protocols.sctp.chunks import Data, Init
from roamlab.record import verified
from roamlab.record.identity import SAME_BITS, hashes
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory
from roamlab.registry import find
from roamlab.repeat.load import busy
from roamlab.repeat.prove import prove, replay

pytestmark = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)
SETTINGS = {"edge_loss": "5", "edge_jitter_ms": "3"}


def play(runs: Path, seed: int, scenario: str = "control") -> Result:
    return roamlab.run(scenario, kernel="uml", seed=seed, runs=runs, **SETTINGS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return play(tmp_path_factory.mktemp("runs"), seed=1)


@pytest.fixture(scope="module")
def other_seed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return play(tmp_path_factory.mktemp("runs"), seed=2)


def drawn(result: Result) -> dict[str, object]:
    """What a run draws at random, as its capture shows it."""
    seen = trace.load(Path(result.run_dir) / "capture.pcapng")
    init = next((p, c) for p in seen.sctp for c in p.chunks if isinstance(c, Init))
    arrived = {c.tsn for p in seen.sctp if p.node == "cn" for c in p.chunks if isinstance(c, Data)}
    first = min(arrived)
    times = [p.time_ns for p in seen.sctp if p.node == "cn"]
    return {
        "port": init[0].sport,
        "tag": init[1].tag,
        "tsn": init[1].tsn,
        "losses": frozenset(tsn - first for tsn in arrived),
        "jitter": [b - a for a, b in pairwise(times)][:100],
    }


def test_one_seed_gives_the_same_bits_beside_busy_loops(run: Result, tmp_path: Path) -> None:
    with busy(4):
        again = play(tmp_path, seed=1)
    assert hashes(Path(again.run_dir)) == hashes(Path(run.run_dir))
    assert set(hashes(Path(run.run_dir))) == set(SAME_BITS)


def test_a_run_directory_elsewhere_changes_nothing(run: Result, tmp_path: Path) -> None:
    again = play(tmp_path / "as deep as/anybody/might/want/one/to be", seed=1)
    assert hashes(Path(again.run_dir)) == hashes(Path(run.run_dir))


@pytest.mark.parametrize("what", ["port", "tag", "tsn", "jitter"])
def test_another_seed_draws_other_numbers(what: str, run: Result, other_seed: Result) -> None:
    assert drawn(run)[what] != drawn(other_seed)[what]


def test_no_date_stands_where_the_same_bits_are_promised(run: Result) -> None:
    directory = Path(run.run_dir)
    manifest = json.loads((directory / "manifest.json").read_text())
    today = re.compile(manifest["ended"][:10].encode() + rb"|" + directory.name.encode())
    assert not [name for name in SAME_BITS if today.search((directory / name).read_bytes())]


def test_the_manifest_says_what_identity_holds_over(run: Result) -> None:
    manifest = json.loads((Path(run.run_dir) / "manifest.json").read_text())
    kernel = select("uml").describe()
    assert manifest["identity"]["kernel_sha256"] == kernel.sha256
    assert {"kernel", "code_sha256", "python", "libc", "pysctp", "cpu"} <= manifest["identity"].keys()
    assert manifest["sha256"] == hashes(Path(run.run_dir))
    assert manifest["replay"] == (
        f"./lab run control --kernel {manifest['identity']['kernel']} --seed 1 --set edge_jitter_ms=3.0 --set edge_loss=5.0"
    )
    last = json.loads((Path(run.run_dir) / "events.jsonl").read_text().splitlines()[-1])
    assert last["kind"] == "run.end"
    assert manifest["virtual_s"] == last["t"] / 1e9 >= 10.0
    assert manifest["wall_s"] > 0
    read = verified.manifest(RunDirectory(Path(run.run_dir)))
    assert json.loads(msgspec.json.encode(read)) == manifest


def test_a_replay_of_a_run_is_identical(run: Result, tmp_path: Path) -> None:
    again = replay(Path(run.run_dir), kernel=None, runs=tmp_path, on_line=lambda _line: None)
    assert again.identical
    assert again.conditions == ()


def test_a_manifest_alone_is_enough_to_replay_and_a_forged_hash_shows(run: Result, tmp_path: Path) -> None:
    manifest = json.loads((Path(run.run_dir) / "manifest.json").read_text())
    manifest["sha256"]["capture.pcapng"] = "0" * 64
    alone = tmp_path / "manifest.json"
    alone.write_text(json.dumps(manifest))
    again = replay(alone, kernel=None, runs=tmp_path, on_line=lambda _line: None)
    assert again.differing == ("capture.pcapng",)
    assert again.comparison is None


def test_a_replay_without_its_kernel_says_so(run: Result, tmp_path: Path) -> None:
    manifest = json.loads((Path(run.run_dir) / "manifest.json").read_text())
    manifest["identity"]["kernel_sha256"] = "f" * 64
    alone = tmp_path / "manifest.json"
    alone.write_text(json.dumps(manifest))
    with pytest.raises(LabError, match=r"the kernel of that run .* is not here"):
        replay(alone, kernel=None, runs=tmp_path, on_line=lambda _line: None)


def test_a_proof_finds_runs_identical_and_keeps_one(tmp_path: Path) -> None:
    chosen, told = find("control"), []
    proof = prove(
        chosen,
        chosen.complete({}),
        seed=1,
        kernel=select("uml"),
        runs=tmp_path,
        times=3,
        load=False,
        on_run=told.append,
    )
    assert proof.identical
    assert told == [1, 2, 3]
    assert [path.name for path in (tmp_path / "control").iterdir()] == [proof.first.path.name]


def test_a_kernel_in_real_time_proves_nothing(tmp_path: Path) -> None:
    if shutil.which("linux.uml") is None:
        pytest.skip("needs Debian's user-mode-linux")
    chosen = find("control")
    with pytest.raises(UnsupportedHere, match="real time"):
        prove(
            chosen,
            chosen.complete({}),
            seed=1,
            kernel=select("debian"),
            runs=tmp_path,
            times=2,
            load=False,
            on_run=lambda _done: None,
        )


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BadInput, match="is damaged or of another version"):
        replay(tmp_path, kernel=None, runs=tmp_path, on_line=lambda _line: None)
