"""roamlab's commands: parse, call, print. `./lab --list` shows them, `./lab --help TASK` explains one."""

from __future__ import annotations

import functools
import json as jsonlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from invoke import Context, Exit, task

HERE = Path(__file__).parent
_HELP = {
    "scenario": "what to play; `./lab list` shows all",
    "kernel": "native, uml or the path of a UML binary; by default what this machine can do best",
    "seed": "what everything random follows from",
    "set": "KEY=VALUE, a parameter of the scenario or its topology; may be repeated",
    "runs": "where run directories go",
    "json": "print one JSON object and nothing else",
    "report": "write a page into the run directory (on unless --no-report)",
    "junit": "a file for JUnit's XML",
    "ktap": "print KTAP and nothing else",
    "summary": "a file for a Markdown table",
}


def command(function: Callable[..., Any]) -> Callable[..., Any]:
    """End with one sentence and the error's exit status where a person can act on it."""

    @functools.wraps(function)
    def guarded(context: Context, *args: Any, **kwargs: Any) -> None:
        from experiments.errors import LabError
        from kernels.job import KernelError

        try:
            status = function(context, *args, **kwargs)
        except LabError as error:
            raise Exit(f"lab: {error}", code=error.status) from None
        except KernelError as error:
            raise Exit(f"lab: {error}", code=_kernel_status(error)) from None
        except KeyboardInterrupt:
            raise Exit("lab: interrupted; what was written so far is whole", code=130) from None
        if status:
            raise Exit(code=status)

    return guarded


def _kernel_status(error: Exception) -> int:
    from kernels.job import NotPermitted, Unsupported

    return 4 if isinstance(error, Unsupported | NotPermitted) else 2


@task(name="list")
@command
def list_(_: Context) -> None:
    """Show every scenario with its figure, expected verdict and parameters."""
    from experiments.scenario import scenarios
    from reports import terminal

    terminal.show_scenarios(scenarios())


@task(iterable=["set"], help=_HELP)
@command
def run(
    _: Context,
    scenario: str,
    kernel: str = "",
    seed: int = 1,
    set: list[str] | None = None,
    runs: str = "runs",
    json: bool = False,
    report: bool = True,
    junit: str = "",
    ktap: bool = False,
    summary: str = "",
) -> int:
    """Play one scenario and say whether the session survived."""
    from experiments import orchestrator
    from experiments.scenario import find, settings
    from kernels.choose import select
    from reports import terminal
    from reports.outputs import Outputs

    chosen = find(scenario)
    parameters = chosen.complete(settings(set or []))
    machine = select(kernel or None)
    with terminal.Progress([chosen.name], quiet=json or ktap) as progress:
        result = orchestrator.run(
            chosen,
            parameters,
            seed=seed,
            kernel=machine,
            runs=Path(runs),
            on_line=lambda line: progress.line(chosen.name, line),
        )
    pages = Outputs(report, junit, ktap, summary).write([result])
    if json:
        sys.stdout.write(jsonlib.dumps(result.as_dict()) + "\n")
    elif not ktap:
        terminal.show_result(result)
        terminal.show_pages(pages)
    return result.status


@task(help={name: text for name, text in _HELP.items() if name not in ("scenario", "set", "json")})
@command
def demo(
    _: Context,
    kernel: str = "",
    seed: int = 1,
    runs: str = "runs",
    report: bool = True,
    junit: str = "",
    ktap: bool = False,
    summary: str = "",
) -> int:
    """Move a mobile node every way there is, and end with one table of what became of its session."""
    from experiments import demonstration
    from kernels.choose import select
    from reports import terminal
    from reports.outputs import Outputs

    machine = select(kernel or None)
    with terminal.Progress([part.name for part in demonstration.PARTS], quiet=ktap) as progress:
        results = demonstration.play(
            machine, seed=seed, runs=Path(runs), on_line=progress.line, on_result=progress.done
        )
    pages = Outputs(report, junit, ktap, summary).write(results)
    if ktap:
        return max(result.status for result in results)
    terminal.show_table(results)
    terminal.show_pages(pages)
    if not machine.virtual_time:
        terminal.note(
            "in real time; `./lab kernel` builds a kernel that does this in virtual time, faster and the same each time"
        )
    return max(result.status for result in results)


@task(
    help={
        "run": "a run directory, or a file in it",
        "follow": "say what happens while the run goes on, first",
    }
)
@command
def show(_: Context, run: str, follow: bool = False) -> None:
    """Draw a run as a ladder of packets, with its verdict."""
    from experiments.run_directory import RunDirectory
    from reports import terminal
    from reports.follow import follow as following

    directory = RunDirectory.open(Path(run))
    if follow:
        for line in following(directory):
            terminal.console().print(line, markup=False, soft_wrap=True)
    terminal.show_run(directory)


@task(
    help={
        "capture": "a pcapng or pcap file, ours or not",
        "filter": "words that must all fit a packet: asconf set-primary address=192.0.2.10 !heartbeat node=mn",
    }
)
@command
def decode(_: Context, capture: str, filter: str = "") -> None:
    """Show a capture's SCTP packets: common header, chunks and parameters by name and field."""
    from experiments import decoding

    try:
        for line in decoding.decode(Path(capture), filter):
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough; nothing is left to be flushed at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@task(
    iterable=["set"],
    help={
        **{name: _HELP[name] for name in ("scenario", "kernel", "seed", "set", "runs")},
        "times": "how many runs",
        "load": "keep twice as many busy loops as there are cores running meanwhile",
    },
)
@command
def prove(
    _: Context,
    scenario: str,
    times: int = 10,
    load: bool = False,
    kernel: str = "",
    seed: int = 1,
    set: list[str] | None = None,
    runs: str = "runs",
) -> int:
    """Play one scenario many times over and say whether every run is the same to the last bit."""
    from experiments.repeating import prove as prover
    from experiments.scenario import find, settings
    from kernels.choose import select
    from reports import comparison, terminal

    chosen = find(scenario)
    with terminal.Tally(f"{chosen.name}: identical runs", times) as count:
        proof = prover.prove(
            chosen,
            chosen.complete(settings(set or [])),
            seed=seed,
            kernel=select(kernel or None),
            runs=Path(runs),
            times=times,
            load=load,
            on_run=count.show,
        )
    comparison.show_proof(proof)
    return 0 if proof.identical else 1


@task(
    iterable=["set"],
    help={
        "scenario": _HELP["scenario"],
        "kernel": _HELP["kernel"],
        "set": "KEY=VALUE,VALUE,..., the values of a parameter; may be repeated",
        "seeds": "how many seeds, from 1",
        "jobs": "how many at once; by default one a core",
        "scheduler": "address of a Dask scheduler whose workers carry the cells out",
        "out": "the sweep's directory; a sweep that is run again there goes on where it ended",
        "junit": _HELP["junit"],
        "ktap": _HELP["ktap"],
        "summary": _HELP["summary"],
    },
)
@command
def sweep(
    _: Context,
    scenario: str,
    set: list[str] | None = None,
    seeds: int = 1,
    jobs: int = 0,
    scheduler: str = "",
    kernel: str = "",
    out: str = "",
    junit: str = "",
    ktap: bool = False,
    summary: str = "",
) -> None:
    """Play one scenario with every combination of parameters and seeds; rows go to one Parquet file."""
    from experiments.orchestrator import load
    from experiments.repeating import sweep as sweeper
    from experiments.repeating import table_file
    from experiments.repeating.cluster import cluster
    from experiments.repeating.workers import cores, processes
    from experiments.run_directory import RunDirectory
    from experiments.scenario import find
    from kernels.choose import select
    from reports import sweeps
    from reports.outputs import Outputs

    chosen = find(scenario)
    grid = sweeper.Grid.parse(chosen, set or [], seeds)
    directory = Path(out or f"runs/sweeps/{chosen.name}")
    held = sweeper.Sweep(directory)
    machine = select(kernel or None)
    with held.held():
        with (
            cluster(scheduler) if scheduler else processes(jobs or cores()) as pool,
            sweeps.SweepProgress(chosen.name, len(grid), grid.swept) as progress,
        ):
            rows = held.run(grid, machine, pool, progress.row)
        written = table_file.write(directory, rows, chosen.parameters())
    outputs = Outputs(pages=False, junit=junit, ktap=ktap, summary=summary)
    if outputs != Outputs(pages=False):
        outputs.write([load(RunDirectory(Path(row.run_dir))) for row in rows])
    if not ktap:
        sweeps.show_sweep(rows, grid.swept, str(written))


@task(
    help={
        "run": "a run directory, or a manifest.json alone",
        "kernel": "another kernel than the run's own",
        "runs": _HELP["runs"],
    }
)
@command
def replay(_: Context, run: str, kernel: str = "", runs: str = "runs") -> int:
    """Make a run again, on the same kernel, and say whether it is the same to the last bit."""
    from experiments.repeating import prove as prover
    from reports import comparison, terminal

    with terminal.Progress(["replay"]) as progress:
        again = prover.replay(
            Path(run),
            kernel=kernel or None,
            runs=Path(runs),
            on_line=lambda line: progress.line("replay", line),
        )
    comparison.show_replay(again, run)
    return 0 if again.identical else 1


@task(
    help={
        "json": _HELP["json"],
        "scale": "1, 10, 100 and 500 mobile nodes that all move at once",
        "kernel": _HELP["kernel"],
    }
)
@command
def bench(_: Context, json: bool = False, scale: bool = False, kernel: str = "") -> None:
    """Measure what things cost here: building networks, a run step by step, sweeps; or how far it scales."""
    from experiments.repeating import bench as measuring
    from experiments.repeating import scale as scaling
    from kernels.choose import select
    from reports import figures, terminal

    machine = select(kernel or None)
    said = terminal.console(stderr=True)
    conditions = measuring.conditions(machine)
    measure = scaling.measure if scale else measuring.measure
    found = measure(machine, lambda what: said.print(f"measuring {what}", markup=False))
    if json:
        plain = {"conditions": conditions, "figures": [msgspec.to_builtins(figure) for figure in found]}
        sys.stdout.write(jsonlib.dumps(plain) + "\n")
    else:
        figures.show_figures(found, conditions)


@task(help={"one": "a run directory", "other": "another"})
@command
def diff(_: Context, one: str, other: str) -> int:
    """Show where two runs part: the first differing event, then measurements and causal chains."""
    from experiments.repeating.compare import compare
    from experiments.run_directory import RunDirectory
    from reports import comparison

    a, b = RunDirectory.open(Path(one)), RunDirectory.open(Path(other))
    compared = compare(a, b)
    comparison.show_comparison(compared, str(a.path), str(b.path))
    return 0 if compared.identical else 1


@task(
    iterable=["run"],
    optional=["matrix"],
    help={
        "run": "a run directory; may be repeated (`./lab report RUN...` does)",
        "matrix": "one page of scenarios against kernels and variants, of these runs or of all; a file, or runs/matrix.html",
        "runs": "where run directories are",
        "sweep": "the directory of a sweep: heat maps and curves, each cell a link to its run",
        "export": "a directory for the runs' ladder and timeline as SVG and PNG, and their measurements as CSV",
    },
)
@command
def report(
    _: Context,
    run: list[str] | None = None,
    matrix: str | bool = "",
    sweep: str = "",
    export: str = "",
    runs: str = "runs",
) -> None:
    """Write runs as pages: one a run, a matrix of many, or a sweep."""
    from reports import pages, terminal

    names = [Path(name) for name in run or []]
    if matrix and not names:
        names = pages.all_runs(Path(runs))
    page = str(Path(runs) / "matrix.html") if matrix is True else str(matrix)
    terminal.show_pages(pages.write(names, matrix=page, sweep=sweep, export=export))


@task
@command
def doctor(_: Context) -> None:
    """Say what this machine can do, and how to get what is missing."""
    from kernels import doctor as examiner
    from reports import terminal

    examiner.render(examiner.examine(), terminal.console())


def _build_kernel(version: str = "", variant: str = "", source: str = "") -> Path:
    from kernels import build
    from reports import kernels

    with kernels.BuildProgress() as progress:
        return build.build(version or build.DEFAULT, variant, Path(source) if source else None, progress.show)


@task(
    help={
        "list": "show the kernels in the cache",
        "variant": "a named patch on top that changes protocol behaviour",
        "version": "as much of a version as matters: 7, 6.12, 6.1",
        "source": "a kernel tarball instead of Debian's source package",
        "remove": "take the kernels of a name out of the cache",
    }
)
@command
def kernel(
    _: Context, list: bool = False, variant: str = "", version: str = "", source: str = "", remove: str = ""
) -> None:
    """Build the lab's own kernel, once; it is the default from then on."""
    from kernels import build
    from reports import kernels, terminal

    if list:
        kernels.show_kernels(build.list_built(), build.variants(), str(build.kernels_dir()))
    elif remove:
        for gone in build.remove(remove):
            terminal.console().print(f"removed {gone.name}")
    else:
        made = _build_kernel(version, variant, source)
        terminal.console().print(f"built: {made}", soft_wrap=True)


@task(help={"topology": "which hosts and links", "kernel": _HELP["kernel"]})
@command
def shell(_: Context, topology: str, kernel: str = "") -> int:
    """Open Mininet's command line on a topology, in the chosen kernel."""
    from experiments import interactive
    from kernels.choose import select

    return interactive.shell(topology, select(kernel or None))


@task(help={"only": "what to run: unit, netns, uml or a path; all without"})
@command
def test(_: Context, only: str = "") -> int:
    """Run the tests, with the reasons of those that were skipped; builds the lab kernel first if there is none."""
    from kernels.job import KernelError

    if only in ("", "uml"):
        try:
            _build_kernel()
        except KernelError as error:
            sys.stderr.write(f"lab: tests that need the lab kernel are skipped: {error}\n")
    # Browsers last: the driver stays as a child of the process, and tests of guests count those.
    parts = ("unit", "netns", "uml", "browser")
    where = [f"tests/{part}" for part in parts if only in ("", part)] or [only]
    return subprocess.run([sys.executable, "-m", "pytest", *where], cwd=HERE).returncode


@task
@command
def check(_: Context) -> int:
    """Run the linters: ruff, mypy --strict, import-linter."""
    bin_ = Path(sys.executable).parent
    commands = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"])
    return max(subprocess.run([bin_ / c[0], *c[1:]], cwd=HERE).returncode for c in commands)
