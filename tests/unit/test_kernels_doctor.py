"""What the doctor says of a machine."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from roamlab.kernels import sandbox
from roamlab.kernels.doctor import WANTED, Machine, Report, Tool, Uml, render

ALL = frozenset(WANTED)
GOOD = Report(
    kernel="6.1.0",
    root=True,
    cpus=2,
    native=ALL,
    native_problem="",
    umls=(Uml(Path("/usr/bin/linux.uml"), "Debian's package", "6.1.176", "ptrace", "/modules", ALL),),
    confined=True,
    fixed_addresses=True,
    shm_free=1 << 40,
    tools=(Tool("linux.uml", "user-mode-linux", "a kernel", needed=True, found=True),),
    machines=(Machine("debian-12", "6.1.0-56-amd64", ALL),),
)


def said(report: Report, **console: object) -> str:
    stream = io.StringIO()
    render(report, Console(file=stream, width=200, **console))  # type: ignore[arg-type]
    return stream.getvalue()


def test_a_good_machine_lacks_nothing() -> None:
    text = said(GOOD)
    assert "Nothing is missing." in text
    assert not [line for line in text.splitlines() if line.startswith(("no ", "part "))]


def test_what_the_own_kernel_lacks_is_named() -> None:
    text = said(replace(GOOD, native=ALL - {"sctp", "netem"}))
    assert "lacks sctp netem" in text
    assert text.startswith("no ")


def test_missing_packages_come_as_one_line_those_a_run_needs_first() -> None:
    tools = (
        Tool("tshark", "tshark", "captures", needed=False, found=False),
        Tool("bwrap", "bubblewrap", "confines", needed=True, found=False),
    )
    text = said(replace(GOOD, tools=tools, root=False))
    assert "sudo apt-get install --no-install-recommends -y bubblewrap tshark" in text


def test_an_unconfined_machine_says_what_a_guest_could_do() -> None:
    text = said(replace(GOOD, confined=False, shm_free=1 << 20))
    assert sandbox.LACKING[sandbox.without_bubblewrap()] in " ".join(text.split())
    assert "0.0 GiB free in /dev/shm" in text


def test_why_native_is_not_allowed_is_told() -> None:
    assert "needs root" in said(replace(GOOD, native=frozenset(), native_problem="native needs root"))


def test_a_broken_uml_binary_is_told() -> None:
    assert "does not run" in said(replace(GOOD, umls=(Uml(Path("x"), "x", problem="x does not run"),)))


def test_a_distributions_kernel_that_was_not_fetched_is_told_with_the_command_that_does() -> None:
    assert "./lab kernel --distribution debian-12" in said(replace(GOOD, machines=()))
    without_qemu = (Machine("debian-12", "6.1.0-56-amd64", ALL, "qemu-system-x86_64 is not installed"),)
    text = said(replace(GOOD, machines=without_qemu))
    assert any(line.startswith("no ") and "qemu-system-x86_64" in line for line in text.splitlines())


def test_no_kernel_at_all_is_told() -> None:
    nothing = replace(GOOD, native=frozenset(), umls=())
    assert not nothing.can_run
    assert "no User-Mode Linux kernel found" in said(nothing)


def test_no_colour_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in said(GOOD)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in said(GOOD, force_terminal=True)
