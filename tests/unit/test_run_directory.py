"""A run directory's files are whole whatever happens."""

import os
import resource
import signal
from pathlib import Path

import pytest

from roamlab.errors import BadInput, LabError
from roamlab.record.events import AddressUp, AgentDied, DataReceived, DataSent, LinkUp, RunStart
from roamlab.record.run_directory import EVENTS, PLAN, EventLog, RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path, "fig09")


def test_two_runs_of_the_same_second_get_two_directories(tmp_path: Path) -> None:
    runs = {RunDirectory.create(tmp_path, "fig09").path for _ in range(3)}
    assert len(runs) == 3
    assert all(path.parent == tmp_path / "fig09" for path in runs)


def test_json_comes_back_as_it_was_written(run: RunDirectory) -> None:
    run.write("verdict.json", {"b": [1, 2.5], "a": "ü"})
    assert run.read("verdict.json") == {"a": "ü", "b": [1, 2.5]}


def test_equal_content_gives_equal_bytes(run: RunDirectory) -> None:
    run.write("a.json", {"x": 1, "y": 2})
    run.write("b.json", {"y": 2, "x": 1})
    assert (run.path / "a.json").read_bytes() == (run.path / "b.json").read_bytes()


def test_events_are_relative_to_the_start(run: RunDirectory) -> None:
    log = EventLog(run, 10**18)
    log.write(AddressUp("wlan0", "192.0.2.1", t=10**18 + 5, node="mn"))
    log.close()
    start, event = run.events()
    assert start == RunStart(10**18, t=0, node="lab")
    assert event == AddressUp("wlan0", "192.0.2.1", t=5, node="mn")
    lines = (run.path / EVENTS).read_text().splitlines()
    assert lines[1] == '{"address":"192.0.2.1","kind":"address.up","nic":"wlan0","node":"mn","t":5}'


def test_a_last_event_that_was_cut_off_is_left_out(run: RunDirectory) -> None:
    log = EventLog(run, 0)
    log.write(LinkUp("wlan0", t=1, node="mn"))
    log.close()
    whole = (run.path / EVENTS).read_bytes()
    (run.path / EVENTS).write_bytes(whole[:-3])
    assert [event.kind for event in run.events()] == ["run.start"]


def test_a_full_disk_is_one_sentence_that_names_the_way_out(run: RunDirectory) -> None:
    log = EventLog(run, 0)
    log.close()
    log._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115, PTH123 - every write to it fails with ENOSPC
    with pytest.raises(LabError, match=r"no space left .* --runs"):
        log.write(LinkUp("wlan0", t=1, node="mn"))
    log.close()


def test_a_failed_write_leaves_the_file_that_was_there(run: RunDirectory) -> None:
    run.write("verdict.json", {"verdict": "survived"})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limit[1]))
    try:
        with pytest.raises(LabError):
            run.write("verdict.json", {"verdict": "broke", "reasons": ["long"] * 1000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(run.path.glob(".verdict*"))
    assert run.read("verdict.json") == {"verdict": "survived"}


def test_what_is_no_run_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a run directory"):
        RunDirectory.open(tmp_path)


def test_a_file_in_a_run_directory_names_the_run(run: RunDirectory) -> None:
    run.write(PLAN, {})
    assert RunDirectory.open(run.path / PLAN).path == run.path


def test_damaged_json_is_named(run: RunDirectory) -> None:
    (run.path / "verdict.json").write_text('{"verdict": "surv')
    with pytest.raises(BadInput, match="damaged"):
        run.read("verdict.json")


def test_a_directory_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(BadInput, match="--runs"):
        RunDirectory.create(blocked, "fig09")
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208


def test_a_batch_is_appended_at_its_end_and_read_by_time(run: RunDirectory) -> None:
    log = EventLog(run, 0)
    with log.batch():
        log.write(DataReceived(1, "up", 0, t=7, node="cn"))
        log.write(DataSent(1, "up", 0, t=5, node="mn"))
        assert [event.kind for event in run.events()] == ["run.start"]
    log.close()
    assert [event.t for event in run.events()] == [0, 5, 7]


@pytest.mark.parametrize(
    "damage",
    [
        b"{damage",
        b'{"t":6,"node":"mn","kind":"balloon.up"}',
        b'{"t":"soon","node":"mn","kind":"link.up","nic":"wlan0"}',
    ],
)
def test_events_before_a_line_that_is_none_are_read_by_time(run: RunDirectory, damage: bytes) -> None:
    lines = [
        b'{"t":7,"node":"mn","kind":"link.up","nic":"late"}',
        b'{"t":5,"node":"mn","kind":"link.up","nic":"early"}',
        damage,
        b'{"t":9,"node":"mn","kind":"link.up","nic":"never"}',
        b"",
    ]
    (run.path / "events.jsonl").write_bytes(b"\n".join(lines))
    events = run.events()
    assert [next(events).details(), next(events).details()] == [{"nic": "early"}, {"nic": "late"}]
    with pytest.raises(BadInput, match="line 3"):
        next(events)


def test_a_batch_is_appended_even_when_it_is_left_by_an_error(run: RunDirectory) -> None:
    log = EventLog(run, 0)

    def die() -> None:
        with log.batch():
            log.write(AgentDied("SIGKILL", t=5, node="mn"))
            raise LabError("the agent of mn died")

    with pytest.raises(LabError):
        die()
    log.close()
    assert [event.kind for event in run.events()] == ["run.start", "agent.died"]


def test_of_a_directory_of_runs_the_latest_is_opened(tmp_path: Path) -> None:
    for number, time_ns in (("1", 3), ("2", 9), ("10", 5)):
        made = RunDirectory(tmp_path / "fig09" / number)
        made.path.mkdir(parents=True)
        made.write(PLAN, {})
        os.utime(made.path / PLAN, ns=(time_ns, time_ns))
    assert RunDirectory.open(tmp_path / "fig09").path == tmp_path / "fig09" / "2"
    assert RunDirectory.open(tmp_path / "fig09" / "1" / PLAN).path == tmp_path / "fig09" / "1"
    with pytest.raises(BadInput, match="not a run directory"):
        RunDirectory.open(tmp_path)


def test_a_run_is_held_while_somebody_plays_it(run: RunDirectory) -> None:
    assert not run.is_held()
    with run.held():
        assert run.is_held()
    assert not run.is_held()


def test_a_run_directory_is_named_by_where_it_really_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for root in (tmp_path / "link", tmp_path / "real" / ".." / "real"):
        assert RunDirectory.create(root, "fig09").path.parent == tmp_path.resolve() / "real" / "fig09"
