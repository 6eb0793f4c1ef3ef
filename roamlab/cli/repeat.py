"""Tasks that play many times: prove, replay, sweep, bench and torture."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput


@command(
    iterable=["set"],
    help={
        "times": "the number of runs",
        "load": "run two busy loops per core meanwhile",
    },
)
def prove(
    _: Context,
    scenario: str,
    times: int = 10,
    load: bool = False,
    kernel: str = "",
    seed: int = 1,
    set: list[str] | None = None,
    topology: str = "",
    runs: str = "runs",
) -> int:
    """Play one scenario many times and report whether all runs are bit for bit the same."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.registry import find, settings
    from roamlab.repeat import prove as prover
    from roamlab.reports import comparison, terminal

    chosen = find(scenario, topology)
    with terminal.Tally(f"{chosen.name}: identical runs", times) as count:
        proof = prover.prove(
            chosen,
            chosen.complete(settings(set or [])),
            seed=seed,
            kernel=kernel_for(kernel),
            runs=Path(runs),
            times=times,
            load=load,
            on_run=count.show,
        )
    comparison.show_proof(proof)
    return 0 if proof.identical else 1


@command(
    help={
        "run": "a run directory, or just its manifest.json",
        "kernel": "a kernel other than the run's own",
    }
)
def replay(_: Context, run: str, kernel: str = "", runs: str = "runs") -> int:
    """Repeat a run on the same kernel and report whether it is bit for bit the same."""
    from roamlab.repeat import prove as prover
    from roamlab.reports import comparison, terminal

    with terminal.Progress(["replay"]) as progress:
        again = prover.replay(
            Path(run),
            kernel=kernel or None,
            runs=Path(runs),
            on_line=lambda line: progress.line("replay", line),
        )
    comparison.show_replay(again, run)
    return 0 if again.identical else 1


@command(
    iterable=["set"],
    help={
        "set": "KEY=VALUE,VALUE,..., the values of a parameter; may be repeated",
        "seeds": "the seeds: 20 for 1 to 20, 7,7919 for these two, 1-50 for a range",
        "jobs": "the number of runs at once; by default one per core",
        "scheduler": "the address of a Dask scheduler whose workers play the cells",
        "out": "the sweep's directory; an interrupted sweep in it is resumed",
    },
)
def sweep(
    _: Context,
    scenario: str,
    set: list[str] | None = None,
    topology: str = "",
    seeds: str = "1",
    jobs: int = 0,
    scheduler: str = "",
    kernel: str = "",
    out: str = "",
    junit: str = "",
    ktap: bool = False,
    summary: str = "",
) -> None:
    """Play one scenario with every combination of parameters and seeds; write the rows to a Parquet file."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.record.run_directory import RunDirectory
    from roamlab.registry import find
    from roamlab.repeat import sweep as sweeper
    from roamlab.repeat import table_file
    from roamlab.repeat.cluster import cluster
    from roamlab.repeat.workers import cores, processes
    from roamlab.reports import sweeps
    from roamlab.reports.outputs import Outputs
    from roamlab.runs.orchestrator import load

    if jobs < 0:
        raise BadInput(f"--jobs {jobs} would run nothing; it takes 1 or more")
    chosen = find(scenario, topology)
    grid = sweeper.Grid.parse(chosen, set or [], seeds)
    directory = Path(out or f"runs/sweeps/{chosen.name}")
    held = sweeper.Sweep(directory)
    machine = kernel_for(kernel)
    with held.held():
        with (
            cluster(scheduler) if scheduler else processes(jobs or cores()) as pool,
            sweeps.SweepProgress(chosen.name, len(grid), grid.swept) as progress,
        ):
            rows = held.run(grid, machine, pool, progress.row)
        written = table_file.write(directory, rows, chosen.parameters())
    outputs = Outputs(pages=False, junit=junit, ktap=ktap, summary=summary)
    if outputs != Outputs(pages=False):
        outputs.write([load(RunDirectory(directory / row.run_dir)) for row in rows])
    if not ktap:
        sweeps.show_sweep(rows, grid.swept, str(written))


@command(help={"scale": "measure 1, 10, 100 and 500 mobile nodes that all move at once"})
def bench(_: Context, json: bool = False, scale: bool = False, kernel: str = "") -> None:
    """Measure speed on this machine: building networks, the steps of a run, sweeps; or how it scales."""
    import msgspec

    from roamlab.cli.kernels import kernel_for
    from roamlab.repeat import bench as measuring
    from roamlab.repeat import scale as scaling
    from roamlab.reports import figures, terminal

    machine = kernel_for(kernel)
    said = terminal.console(stderr=True)
    conditions = measuring.conditions(machine)
    measure = scaling.measure if scale else measuring.measure
    found = measure(machine, lambda what: said.print(f"measuring {what}", markup=False))
    if json:
        plain = {"conditions": conditions, "figures": [msgspec.to_builtins(figure) for figure in found]}
        sys.stdout.write(jsonlib.dumps(plain) + "\n")
    else:
        figures.show_figures(found, conditions)


@command(
    positional=(),
    help={"runs": "the number of runs and sweeps to interrupt", "seed": "decides how each is interrupted"},
)
def torture(_: Context, runs: int = 10, seed: int = 1, kernel: str = "uml") -> int:
    """Interrupt runs and sweeps at random instants, then look for leftovers and damaged results."""
    from roamlab.repeat import torture as torturer
    from roamlab.reports import terminal

    done = iter(range(1, runs + 1))
    with terminal.Tally("bouts", runs) as count:
        bouts = torturer.torture(runs, seed=seed, kernel=kernel, on_bout=lambda _bout: count.show(next(done)))
    out = terminal.console()
    for kind, number in sorted(torturer.tally(bouts).items()):
        out.print(f"{number:5} {kind}", markup=False)
    for bout in bouts:
        for fault in bout.faults:
            terminal.say(out, f"{bout.work}, {bout.done}: {fault}", 2)
    wrong = sum(bool(bout.faults) for bout in bouts)
    kept = sum(bout.kept for bout in bouts)
    out.print(f"{len(bouts)} bouts, {wrong} with faults; {kept} kept results checked", markup=False)
    return 1 if wrong else 0
