"""What commands leave for people and machines: files for CI, pages of runs, a run followed, kernels on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from roamlab.errors import BadInput, LabError
from roamlab.kernels.build.store import BuiltKernel, Metadata, hash_file
from roamlab.record.event import Event, encoder
from roamlab.record.events import Data, DataReceived, DataSent, NicMove, PathAdded, SessionOpened
from roamlab.record.result import Judgement, Result
from roamlab.record.run_directory import EVENTS, MANIFEST, PLAN, VERDICT, RunDirectory
from roamlab.reports import follow, kernels, pages, terminal
from roamlab.reports.outputs import Outputs
from tests.browser import samples
from tests.unit import test_report_sweep as sweeps


@pytest.fixture
def result(tmp_path: Path) -> Result:
    """The result of a run that lies in a directory."""
    run = samples.real(tmp_path / "runs")
    judgement = Judgement(
        scenario="fig09", figure="FIG. 9", verdict="survived", expected="survived", reasons=["all of it"]
    )
    kernel = {"kind": "uml", "version": "7.3.4", "variant": "", "virtual_time": True}
    return Result(
        judgement=judgement,
        parameters={},
        kernel=kernel,
        seed=1,
        run_dir=str(run.path),
        wall_s=1.5,
        status=0,
    )


# Outputs


def test_a_run_gets_a_page_and_nothing_else_unless_asked(
    result: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(tmp_path.rglob("*"))
    written = Outputs().write([result])
    assert written == [Path(result.run_dir) / "report.html"]
    assert set(tmp_path.rglob("*")) - before == set(written)
    assert capsys.readouterr().out == ""


def test_without_pages_none_is_written(result: Result) -> None:
    assert Outputs(pages=False).write([result]) == []
    assert not (Path(result.run_dir) / "report.html").exists()


def test_junit_and_summary_go_to_the_files_that_were_named(
    result: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    Outputs(pages=False, junit=str(junit), summary=str(summary)).write([result, result])
    assert Xml.fromstring(junit.read_text()).get("tests") == "2"
    assert "**2 of 2 as expected**" in summary.read_text().splitlines()
    assert capsys.readouterr().out == ""


def test_ktap_is_all_that_is_printed(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    Outputs(ktap=True).write([result])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["KTAP version 1", "1..1"]
    assert lines[-1] == "ok 1 fig09"


@pytest.mark.parametrize(
    "asked", [lambda name: Outputs(pages=False, junit=name), lambda name: Outputs(pages=False, summary=name)]
)
@pytest.mark.parametrize("place", ["nowhere/out", "directory"])
def test_a_file_that_cannot_be_written_is_named(
    result: Result, tmp_path: Path, asked: Callable[[str], Outputs], place: str
) -> None:
    (tmp_path / "directory").mkdir()
    name = str(tmp_path / place)
    with pytest.raises(BadInput, match=name):
        asked(name).write([result])
    assert not list(tmp_path.glob(".*.new"))


# Pages


def test_each_run_gets_its_page_in_the_order_of_the_names(tmp_path: Path) -> None:
    runs = [samples.real(tmp_path / name).path for name in ("b", "a")]
    assert pages.write(runs) == [run / "report.html" for run in runs]


def test_a_file_in_a_run_may_be_named_for_it(tmp_path: Path) -> None:
    run = samples.real(tmp_path).path
    assert pages.write([run / EVENTS]) == [run / "report.html"]


def test_a_matrix_links_the_pages_that_were_just_written(tmp_path: Path) -> None:
    runs = [samples.real(tmp_path / name).path for name in ("a", "b")]
    written = pages.write(runs, matrix=str(tmp_path / "matrix.html"))
    assert written[-1] == tmp_path / "matrix.html"
    assert "fig09/20260101-000000/report.html" in written[-1].read_text()


def test_an_export_has_pictures_and_measurements_of_each_run(tmp_path: Path) -> None:
    run = samples.real(tmp_path).path
    written = pages.write([run], export=str(tmp_path / "out"))
    into = tmp_path / "out" / "fig09-20260101-000000"
    assert set(written) - {run / "report.html"} == set(into.iterdir())
    assert {path.name for path in into.iterdir()} >= {"timeline.svg", "ladder.png", "measurements.csv"}


def test_an_export_to_where_a_file_is_says_so(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(BadInput, match="pictures cannot go to"):
        pages.write([samples.real(tmp_path).path], export=str(tmp_path / "out"))


def test_a_sweeps_cells_get_pages_where_they_lack_one(tmp_path: Path) -> None:
    """Directories of cells are relative to the sweep's; a cell that another machine kept has none."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    directory = tmp_path / "sweep"
    new, old = (samples.real(directory / name).path for name in ("new", "old"))
    (old / "report.html").write_text("as it was")
    rows = sweeps.rows()[:3]
    places = [str(new.relative_to(directory)), str(old.relative_to(directory)), "gone"]
    sweeps.save(directory, [{**row, "run_dir": place} for row, place in zip(rows, places, strict=True)])
    assert pages.write([], sweep=str(directory)) == [directory / "sweep.html"]
    assert "survived" in (new / "report.html").read_text()
    assert (old / "report.html").read_text() == "as it was"


def test_a_report_of_nothing_and_of_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least one run"):
        pages.write([])
    with pytest.raises(BadInput, match="not a run directory"):
        pages.write([tmp_path])


def test_all_runs_are_those_with_a_verdict(tmp_path: Path) -> None:
    judged, under_way = (samples.real(tmp_path / name).path for name in ("a", "b"))
    (under_way / VERDICT).unlink()
    assert pages.all_runs(judged.parent.parent) == [judged]
    assert pages.all_runs(under_way.parent.parent) == []


def test_what_was_written_is_said_pages_by_name_and_pictures_by_directory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Path("runs/fig09/1")
    pictures = [Path("out/fig09-1") / name for name in ("ladder.svg", "ladder.png", "measurements.csv")]
    terminal.show_pages([run / "report.html", Path("matrix.html"), *pictures])
    assert capsys.readouterr().out.splitlines() == [
        "report: runs/fig09/1/report.html",
        "page: matrix.html",
        "3 files: out/fig09-1",
    ]


def test_many_pages_are_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [Path(f"runs/fig09/{number}/report.html") for number in range(100)]
    terminal.show_pages([*runs, Path("runs/matrix.html")])
    assert capsys.readouterr().out.splitlines() == [
        "100 reports: report.html in each run directory below runs/fig09",
        "page: runs/matrix.html",
    ]


# Following a run


class _Lab:
    """A run under way: each time that nothing is new, the next piece of its events is written, and its manifest at last."""

    def __init__(self, path: Path, *pieces: bytes) -> None:
        self.run = RunDirectory(path)
        self.run.write(PLAN, {"scenario": "fig09"})
        self._pieces = list(pieces)

    def sleep(self, _: float) -> None:
        with (self.run.path / EVENTS).open("ab") as file:
            file.write(self._pieces.pop(0))
        if not self._pieces:
            self.run.write(MANIFEST, {})


Following = Callable[..., list[str]]


@pytest.fixture
def following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Following:
    """Follows a run whose events come in these pieces."""

    def follows(*pieces: bytes) -> list[str]:
        lab = _Lab(tmp_path, *pieces)
        monkeypatch.setattr("roamlab.reports.follow.time.sleep", lab.sleep)
        with lab.run.held():
            return list(follow.follow(lab.run))

    return follows


def _event(second: float, event: Event) -> bytes:
    event.t, event.node = round(second * 1e9), "mn"
    return encoder().encode(event) + b"\n"


def _move() -> Event:
    return NicMove("wlan0", "visited", "home")


def test_events_are_told_in_order_once_each_until_the_manifest_is_there(following: Following) -> None:
    lines = following(
        _event(1, SessionOpened(1)),
        b"",
        _event(5, _move()) + _event(5.5, PathAdded(address="198.51.100.10")),
    )
    assert [" ".join(line.split()) for line in lines] == [
        "1.000000 s mn session.opened session 1 is up",
        "5.000000 s mn nic.move wlan0 is moved from home to visited",
        "5.500000 s mn path.added path added: 198.51.100.10",
    ]


def test_a_line_that_is_no_event_is_damage(following: Following) -> None:
    with pytest.raises(BadInput, match="damaged"):
        following(b'{"kind":"balloon.up"}\n' + _event(5, _move()))


def test_an_event_that_is_half_written_is_told_when_it_is_whole(following: Following) -> None:
    event = _event(5, _move())
    (line,) = following(event[:20], b"", event[20:])
    assert "nic.move" in line


def test_an_event_that_was_never_finished_is_not_told(following: Following) -> None:
    (line,) = following(_event(5, _move()) + _event(6, _move())[:20])
    assert "nic.move" in line


def test_messages_are_counted_and_not_told_one_by_one(following: Following) -> None:
    sent, received = _event(1, DataSent(1, "up", 1)), _event(2, DataReceived(1, "up", 1))
    lines = following(sent * 3, received * 2 + _event(5, _move()) + sent * 4)
    assert [" ".join(line.split()) for line in lines] == [
        "5 messages sent or received",
        "5.000000 s mn nic.move wlan0 is moved from home to visited",
        "4 messages sent or received",
    ]


def test_a_run_that_is_over_is_told_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = samples.real(tmp_path)
    waits: list[float] = []
    monkeypatch.setattr("roamlab.reports.follow.time.sleep", waits.append)
    lines = list(follow.follow(run))
    told = [event for event in run.events() if not isinstance(event, Data)]
    assert len([line for line in lines if "sent or received" not in line]) == len(told)
    assert waits == []


def test_a_run_that_nobody_plays_any_more_is_told_up_to_its_end(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    (tmp_path / EVENTS).write_bytes(_event(5, _move()) + _event(6, DataSent(1, "up", 1)))
    with run.held():
        assert run.is_held()
    told = follow.follow(run)
    assert "nic.move" in next(told)
    assert "1 message" in next(told)
    with pytest.raises(LabError, match="was ended before its verdict"):
        next(told)


# Kernels


@pytest.fixture
def built(tmp_path: Path) -> BuiltKernel:
    """A kernel of two mebibytes in a cache."""
    (tmp_path / "linux").write_bytes(b"\x7fELF" + bytes(2 << 20))
    known = Metadata(
        version="7.3.4",
        variant="delete-last",
        key="k",
        recipe="r",
        source="linux-source 7.3.4-1",
        source_sha256="0" * 64,
        patches=(),
        config_sha256="0" * 64,
        compiler="gcc 12",
        binary_sha256=hash_file(tmp_path / "linux"),
        build_s=301.4,
    )
    return BuiltKernel(tmp_path, known)


def _shown(capsys: pytest.CaptureFixture[str], *found: BuiltKernel) -> str:
    kernels.show_kernels(found, {"one-owner": "One address, one owner."}, "cache")
    return capsys.readouterr().out


def test_a_kernel_is_shown_with_variant_size_and_time(
    built: BuiltKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _shown(capsys, built)
    for words in (
        built.name,
        "delete-last",
        "seccomp",
        "linux-source 7.3.4-1",
        "301 s",
        built.metadata.binary_sha256[:12],
    ):
        assert words in said
    assert "one-owner  One address, one owner." in said
    assert "damaged" not in said


def test_an_older_kernel_is_shown_with_its_slower_mode(
    built: BuiltKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    older = replace(built, metadata=replace(built.metadata, version="6.1.192", variant=""))
    line = next(line for line in _shown(capsys, built, older).splitlines() if line.startswith("6.1.192"))
    assert line.split()[1] == "ptrace"


def test_a_damaged_or_missing_kernel_is_said_to_be(
    built: BuiltKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    built.path.write_bytes(b"other")
    assert "damaged: build it again" in _shown(capsys, built)
    built.path.unlink()
    assert "damaged: build it again" in _shown(capsys, built)


def test_an_empty_cache_says_how_to_fill_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert "`./lab kernel` builds one" in _shown(capsys)


def test_off_a_terminal_a_build_says_each_phase_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("roamlab.reports.kernels.time.monotonic", lambda: now[0])
    with kernels.BuildProgress() as progress:
        for phase, share, second in (
            ("unpack", -1.0, 0),
            ("compile", 0.1, 1),
            ("compile", 0.2, 2),
            ("compile", 0.9, 20),
        ):
            now[0] = second
            progress.show(phase, share)
    said = capsys.readouterr()
    assert said.err.splitlines() == ["unpack", "compile: 10%", "compile: 90%"]
    assert said.out == ""
