"""Tasks that play: list, run, demo and shell."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.where import COMMAND


@command(
    name="list",
    iterable=["file"],
    positional=["file"],
    help={"file": "files with scenarios to list instead of roamlab's own"},
)
def list_(_: Context, file: list[str] | None = None) -> None:
    """Show every scenario with its figure, expected verdict and parameters."""
    from roamlab import own_files
    from roamlab.registry import scenarios
    from roamlab.reports import terminal

    shown = {name: one for path in file or [] for name, one in own_files.scenarios(path).items()}
    terminal.show_scenarios(shown or {**own_files.installed(), **scenarios()})


@command(iterable=["set"])
def run(
    _: Context,
    scenario: str,
    kernel: str = "",
    seed: int = 1,
    set: list[str] | None = None,
    topology: str = "",
    runs: str = "runs",
    json: bool = False,
    report: bool = True,
    junit: str = "",
    ktap: bool = False,
    summary: str = "",
) -> int:
    """Play one scenario and say whether the session survived."""
    from roamlab.api import run as play
    from roamlab.cli.kernels import kernel_for
    from roamlab.registry import find, settings
    from roamlab.reports import terminal

    chosen = find(scenario, topology)
    texts = settings(set or [])
    chosen.complete(texts)  # report wrong parameters before looking for a kernel
    machine = kernel_for(kernel)
    with terminal.Progress([chosen.name], quiet=json or ktap) as progress:
        result = play(
            chosen,
            kernel=machine,
            seed=seed,
            runs=runs,
            on_line=lambda line: progress.line(chosen.name, line),
            **texts,
        )
    if json:
        print(jsonlib.dumps(result.as_dict()), flush=True)
    elif not ktap:
        terminal.show_result(result)
    from roamlab.reports.outputs import Outputs  # a long run's page takes a second: the verdict first

    pages = Outputs(report, junit, ktap, summary).write([result])
    if not json and not ktap:
        terminal.show_pages(pages)
    return result.status


@command()
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
    """Play every kind of move and print one table of verdicts."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.reports import terminal
    from roamlab.reports.outputs import Outputs
    from roamlab.runs import demonstration

    machine = kernel_for(kernel)
    with terminal.Progress([part.name for part in demonstration.PARTS], quiet=ktap) as progress:
        results = demonstration.play(
            machine, seed=seed, runs=Path(runs), on_line=progress.line, on_result=progress.done
        )
    if not ktap:
        terminal.show_table(results)
    pages = Outputs(report, junit, ktap, summary).write(results)
    if ktap:
        return max(result.status for result in results)
    terminal.show_pages(pages)
    if not machine.virtual_time:
        terminal.note(
            f"this ran in real time; `{COMMAND} kernel` builds a kernel with virtual time: faster, same bits every time"
        )
    return max(result.status for result in results)


@command(help={"topology": "the topology to build: NAME or PATH.py:CLASS"})
def shell(_: Context, topology: str, kernel: str = "") -> int:
    """Open Mininet's command line on a topology in the chosen kernel."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.runs import interactive

    return interactive.shell(topology, kernel_for(kernel))
