"""Whatever is typed and whatever lies in a run directory: one sentence and a documented status, never a traceback.

The commands run in this process, so that hundreds of cases cost seconds; what needs a process of its own is at the end.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roamlab.cli import program
from roamlab.errors import CRASHED, LabError
from roamlab.record.run_directory import CAPTURE, EVENTS, MANIFEST, PLAN, VERDICT, RunDirectory
from roamlab.repeat import prove
from roamlab.runs import orchestrator
from tests.browser import samples

ROOT = Path(__file__).resolve().parents[2]
LONG = "x" * 5000
DIGITS = "9" * 5000
ESCAPES = "\x1b]0;owned\x07\x1b[2J\r\u202e"


class Booted(LabError):
    """A run would have begun: what was wrong with the line was not seen."""

    status = 99


@pytest.fixture(autouse=True)
def nothing_boots(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Booted("a guest was booted")

    for module, name in ((orchestrator, "run"), (prove, "play"), (prove, "each")):
        monkeypatch.setattr(module, name, refuse)


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lab(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str) -> tuple[int, str, str]:
        status: object = 0
        try:
            program.main(words)
        except SystemExit as ended:
            status = ended.code or 0
        out, err = capsys.readouterr()
        assert isinstance(status, int)
        assert status != CRASHED, err
        for text in (out, err):
            assert "Traceback" not in text
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text), text
        return status, out, err

    return run


LINES: list[tuple[str, ...]] = [
    *[
        (word,)
        for word in (
            "nope",
            "",
            "-",
            "---",
            "-x",
            "--nope",
            "rnu",
            "\x1b[2J",
            "[/x]",
            LONG,
            "run=1",
            "/",
        )
    ],
    *[("--list", word) for word in ("nope", "run", "[/x]")],
    ("--list-depth", "two"),
    ("--", "run", "control"),
    ("--", "nope"),
    *[(task,) for task in ("run", "show", "decode", "diff", "report", "prove", "replay", "sweep", "shell")],
    *[(task, "--nope") for task in ("list", "doctor", "run", "sweep", "kernel", "bench", "demo", "test")],
    *[
        (task, "one", "two", "three")
        for task in ("run", "show", "decode", "diff", "prove", "replay", "sweep")
    ],
    *[
        ("run", name)
        for name in (
            "fig9",
            "",
            " ",
            "../fig09",
            "fig09\0",
            "[/x]",
            ESCAPES,
            LONG,
            "\udcff",
            "os",
            "control.x",
        )
    ],
    *[
        ("run", "fig09", "--set", text)
        for text in ("gap", "=", "=2", "gap=", "nope=1", f"{LONG}=1", f"gap={LONG}")
    ],
    *[
        ("run", "fig09", "--set", text)
        for text in ("gap=[/x]", f"gap={ESCAPES}", f"{ESCAPES}=1", "gap=\udcff", "gap=2=3")
    ],
    *[("run", "fig09", "--set", f"gap={DIGITS}"), ("run", "fig09", f"--set=family={DIGITS}")],
    ("run", "fig09", "--set", "gap=1", "--set", "gap=2"),
    ("run", "fig09", "--set", "gap=30"),
    ("run", "pingpong", "--set", "moves=0"),
    *[
        ("run", "fig08", "--set", f"trace={name}")
        for name in ("nope.csv", "/", "/dev/zero", "/etc/passwd", LONG, "[/x]")
    ],
    *[
        ("run", "control", f"--seed={seed}")
        for seed in ("-1", str(1 << 64), "1e3", "", "x", DIGITS, "0x10", ESCAPES)
    ],
    ("run", "control", "--seed", "1", "--seed", "2"),
    ("run", "control", "--seed"),
    ("run", "control", "--json=1"),
    *[
        ("run", "control", "--kernel", name)
        for name in ("nope", "/nope", "/etc/passwd", "/dev/zero", "/", LONG, ESCAPES)
    ],
    *[("prove", "control", f"--times={times}") for times in ("1", "0", "-1", "x", DIGITS)],
    *[("prove", "control", f"--seed={seed}") for seed in ("-1", str(1 << 64))],
    *[
        ("sweep", "control", f"--seeds={seeds}")
        for seeds in ("0", "-1", "x", "1-", "1,,2", DIGITS, "1000000000000", ESCAPES)
    ],
    *[("sweep", "control", f"--jobs={jobs}") for jobs in ("-1", "x", DIGITS)],
    *[("sweep", "fig09", "--set", text) for text in ("gap=1,", "gap=,", "gap=1,two", "nope=1,2", "gap=0,30")],
    ("sweep", "fig09", "--set", "gap=1", "--set", "gap=2"),
    (
        "sweep",
        "fig09",
        "--seeds=1000",
        *(f"--set={n}=" + ",".join(map(str, range(60))) for n in ("edge_loss", "site_delay_ms")),
    ),
    *[
        ("sweep", "control", "--out", name)
        for name in ("/proc/x", "/dev/null", "/etc/passwd", "/etc/passwd/x", LONG)
    ],
    *[
        (task, name)
        for task in ("show", "decode", "replay", "report")
        for name in ("/nope", "/", "/dev/zero", "/dev/null", LONG)
    ],
    *[
        (task, name)
        for task in ("show", "decode", "replay", "report")
        for name in ("/etc/passwd", "", "[/x]", ESCAPES, "\udcff")
    ],
    ("decode", "/etc/passwd/x"),
    ("diff", "/nope", "/nope"),
    ("report", "--sweep", "/nope"),
    ("report", "--matrix"),
    ("report", "--export", "/proc/x"),
    *[("shell", name) for name in ("HomeAndVisted", "", ESCAPES, LONG)],
    ("kernel", "--remove", "nope"),
    ("kernel", "--remove", ESCAPES),
    ("kernel", "--all", "--variant", "x"),
    *[("kernel", "--variant", name) for name in ("nope", "../x", ESCAPES)],
    *[("kernel", "--source", name) for name in ("/nope", "/", "/etc/passwd")],
    *[("test", "--only", name) for name in ("nope", "/nope", ESCAPES)],
]


@pytest.mark.parametrize("words", LINES, ids=lambda words: ascii(" ".join(words))[:70])
def test_a_wrong_line_is_a_sentence_and_status_2(lab: Command, words: tuple[str, ...]) -> None:
    status, out, err = lab(*words)
    assert status == 2, (out, err)
    *progress, sentence = err.splitlines()
    assert sentence.startswith("lab: ")
    assert not progress or words[0] == "kernel"
    assert len(sentence) < 700 or LONG in sentence  # a path is told as it is


FILTERS = [
    *(
        "serial=" + "f" * 5000,
        "serial=0x" + "f" * 5000,
        "serial=" + DIGITS,
        f"address={LONG}",
        "=",
        "!",
        "!!x",
        "a=b=c",
    ),
    *(ESCAPES, "nope", "node=", "way=up", "address=300.1.1.1", "[/x]", "\udcff", "lookup=::g", "!" * 5000),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is as it was written, with few packets and events."""
    run = samples.real(tmp_path_factory.mktemp("whole"))
    samples.with_events(run, lambda event: event.t < 10**8)
    shorten_capture(run)
    manifest = run.read(MANIFEST)
    run.write(MANIFEST, {**manifest, "sha256": orchestrator.hashes(run.path)})
    return run.path


def shorten_capture(run: RunDirectory) -> None:
    """Keep the first 4 kB, cut between two blocks."""
    content, end = (run.path / CAPTURE).read_bytes(), 0
    while end < 4_000:
        end += struct.unpack_from("<I", content, end + 4)[0]
    (run.path / CAPTURE).write_bytes(content[:end])


@pytest.mark.parametrize("expression", FILTERS, ids=lambda expression: ascii(expression)[:40])
def test_a_filter_of_any_words_is_a_sentence_or_fits_nothing(
    lab: Command, whole: Path, expression: str
) -> None:
    status, out, err = lab("decode", str(whole), "--filter", expression)
    assert (status, bool(err)) in ((0, False), (2, True))
    assert status == 2 or out


def test_a_whole_run_is_shown_and_compared(lab: Command, whole: Path) -> None:
    assert lab("show", str(whole))[0] == 0
    assert lab("diff", str(whole), str(whole))[0] == 0
    assert lab("decode", str(whole))[0] == 0
    assert lab("replay", str(whole))[0] in (3, 99)  # its kernel may not be here


def altered(member: str, value: object) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), member: value}).encode()

    return change


def without(member: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        return json.dumps({k: v for k, v in json.loads(content).items() if k != member}).encode()

    return change


ANY: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda content: content[: len(content) // 2],
    "nuls": lambda content: content[:-100] + b"\0" * 100,
    "more nuls": lambda content: content + b"\0" * 4096,
    "no utf-8": lambda _: b"\xff\xfe\x00",
    "list": lambda _: b"[]\n",
    "null": lambda _: b"null\n",
    "number": lambda _: b"3\n",
    "text": lambda _: b'"\\ud800"\n',
    "object": lambda _: b"{}\n",
    "deep": lambda _: b"[" * 200_000 + b"\n",
    "escapes": lambda _: json.dumps({ESCAPES: ESCAPES}).encode() + b"\n",
    "long number": lambda _: b'{"t":' + b"9" * 5000 + b',"node":"mn","kind":"x"}\n',
}
OF_EVENTS = {
    **ANY,
    "no time": lambda content: b'{"node":"mn","kind":"x"}\n' + content,
    "time of text": lambda content: b'{"t":"1","node":"mn","kind":"x"}\n' + content,
    "no node": lambda content: b'{"t":1,"kind":"x"}\n' + content,
    "kind of number": lambda content: b'{"t":1,"node":"mn","kind":3}\n' + content,
    "escapes in it": lambda content: (
        json.dumps({"t": 1, "node": "mn", "kind": "x", "a": ESCAPES}).encode() + b"\n" + content
    ),
}
OF_PLAN = {
    **ANY,
    **{
        f"{m}={v}": altered(m, v)
        for m in ("scenario", "parameters", "seed")
        for v in (None, [], "x", -1, {"a": 1})
    },
    **{f"no {m}": without(m) for m in ("scenario", "parameters", "seed")},
}
OF_MANIFEST = {
    **ANY,
    **{
        f"{m}={v}": altered(m, v)
        for m in ("kernel", "identity", "sha256", "status", "replay", "parameters", "seed", "scenario")
        for v in (None, [], "x", 3.5, {"a": 1})
    },
    **{
        f"no {m}": without(m)
        for m in ("kernel", "identity", "sha256", "status", "parameters", "seed", "wall_s")
    },
    "path": altered("sha256", {"../../x": "0"}),
    "replay of escapes": altered("replay", ESCAPES),
}
OF_VERDICT = {
    **ANY,
    "forged": altered("verdict", "broke"),
    "reasons": altered("reasons", [ESCAPES, "one\nlab: two", "[/x]"]),
    **{
        f"{m}={v}": altered(m, v)
        for m in ("scenario", "verdict", "reasons", "chain", "lost", "figure")
        for v in (None, 3, "x", [3], {"a": 1})
    },
    **{f"no {m}": without(m) for m in ("scenario", "verdict", "reasons", "expected")},
}
DAMAGES = [
    (name, kind, change)
    for name, kinds in (
        (PLAN, OF_PLAN),
        (MANIFEST, OF_MANIFEST),
        (VERDICT, OF_VERDICT),
        (EVENTS, OF_EVENTS),
        (CAPTURE, ANY),
    )
    for kind, change in kinds.items()
]


@pytest.mark.parametrize(
    ("name", "kind", "change"), DAMAGES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_damaged_run_is_never_told_as_if_it_were_whole(
    lab: Command, whole: Path, tmp_path: Path, name: str, kind: str, change: Callable[[bytes], bytes]
) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    before = (run / name).read_bytes()
    (run / name).write_bytes(change(before))
    for words in (("show", str(run)), ("diff", str(whole), str(run)), ("report", str(run))):
        status, out, err = lab(*words)
        if name in (VERDICT, EVENTS, CAPTURE):
            assert status == 2, (words, out, err)
            assert name in err
        else:
            assert status in (0, 1, 2), (words, err)
            assert status != 2 or err.startswith("lab: ")
    status, _, err = lab("replay", str(run))
    assert status in (2, 3, 99), err
    assert lab("decode", str(run))[0] in (0, 2)


@pytest.mark.parametrize("name", [PLAN, MANIFEST, VERDICT, EVENTS, CAPTURE])
@pytest.mark.parametrize("instead", ["directory", "pipe", "link", "nothing", "socket"])
def test_what_is_no_file_is_not_waited_for(
    lab: Command, whole: Path, tmp_path: Path, name: str, instead: str
) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    (run / name).unlink()
    match instead:
        case "directory":
            (run / name).mkdir()
        case "pipe":
            os.mkfifo(run / name)
        case "link":
            (run / name).symlink_to("/etc/passwd")
        case "socket":
            os.mknod(run / name, 0o140600)
    for words in (("show",), ("diff", str(whole)), ("report",), ("decode",), ("replay",)):
        status, out, err = lab(*words, str(run))
        assert status in (0, 1, 2, 3, 99), (words, out, err)
        assert "root:" not in out


def test_packed_captures_name_what_unpacks_them(lab: Command, tmp_path: Path) -> None:
    for start, how in ((b"\x1f\x8b\x08", "gunzip"), (b"\xfd7zXZ\0", "unxz"), (b"\x28\xb5\x2f\xfd", "unzstd")):
        (tmp_path / "capture").write_bytes(start + bytes(20))
        status, _, err = lab("decode", str(tmp_path / "capture"))
        assert (status, how in err) == (2, True)


def test_outputs_that_are_somebody_elses_are_refused(lab: Command, whole: Path, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    thesis.write_text("mine")
    assert lab("report", str(whole), "--matrix", str(thesis))[0] == 2
    assert thesis.read_text() == "mine"
    assert lab("report", str(whole), "--matrix", str(tmp_path))[0] == 2
    assert lab("report", str(whole), "--export", str(thesis))[0] == 2


def test_a_defect_of_our_own_has_a_status_that_no_verdict_has(
    lab: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise KeyError(f"something {ESCAPES}")

    monkeypatch.setattr(RunDirectory, "open", fail)
    with pytest.raises(SystemExit) as ended:
        program.main(["show", "x"])
    assert ended.value.code == CRASHED == 70
    err = capsys.readouterr().err
    assert err.startswith("lab: a bug in roamlab (KeyError: ")
    assert err.count("\n") == 1


# -- in a process of its own -------------------------------------------------------------------------------------------


def shell(line: str, *words: str, **environment: str) -> Iterator[subprocess.CompletedProcess[bytes]]:
    yield subprocess.run(
        ["/bin/sh", "-c", line, "sh", sys.executable, "-P", "-m", "roamlab.cli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("words", "status"), [(["list"], 0), (["show", "/nope"], 2)])
def test_closed_streams_change_no_status(closed: str, words: list[str], status: int) -> None:
    for ended in shell(f'exec "$@" {closed}', *words):
        assert ended.returncode == status, ended.stderr
        assert b"Traceback" not in ended.stderr


def test_an_encoding_without_our_letters_is_no_reason_to_fail(whole: Path) -> None:
    for ended in shell('exec "$@"', "show", str(whole), PYTHONIOENCODING="ascii"):
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.isascii()


def test_a_home_that_is_a_file_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    for ended in shell('exec "$@"', "list", HOME=str(tmp_path / "home")):
        assert ended.returncode == 0, ended.stderr


def test_ctrl_c_at_any_moment_is_a_sentence(whole: Path) -> None:
    line = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from roamlab.cli import program
from roamlab.reports import terminal
terminal.show_run = lambda _: os.kill(os.getpid(), signal.SIGINT)
program.main(["show", sys.argv[1]])
"""
    ended = subprocess.run([sys.executable, "-c", line, str(whole)], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode in (130, -signal.SIGINT), ended.stderr
    assert "Traceback" not in ended.stderr
