"""The task that plays every kind of session in every move."""

from __future__ import annotations

import inspect
import json as jsonlib
import sys
from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput


@command(
    help={
        "transports": "kinds of session with commas between them, each a transport's name, with -mip over Mobile IP; "
        "by default all that --list shows",
        "moves": "moves with commas between them; by default all that --list shows",
        "kernels": "kernels as --kernel takes them, with commas between them; by default the best one here",
        "seeds": "which seeds: 20 for 1 to 20, 7,7919 for these two, 1-50 for a range",
        "jobs": "how many at once; by default one a core",
        "scheduler": "address of a Dask scheduler whose workers carry the runs out",
        "guest": "how many cells share a guest, which boots and imports once for them; by default each has its own",
        "out": "the matrix's directory; one that is made again there goes on where it ended",
        "list": "show the sessions and the moves, and play nothing",
    },
)
def matrix(
    _: Context,
    transports: str = "",
    moves: str = "",
    kernels: str = "",
    seeds: str = "1",
    jobs: int = 0,
    scheduler: str = "",
    guest: int = 1,
    out: str = "runs/matrix",
    json: bool = False,
    list: bool = False,
) -> None:
    """Play every kind of session in every move: one page says who survives which, and what it costs."""
    import msgspec

    from roamlab.cli.kernels import kernel_for
    from roamlab.record.identity import identity
    from roamlab.repeat import matrix as matrices
    from roamlab.repeat import table_file
    from roamlab.repeat.cluster import cluster
    from roamlab.repeat.sweep import Sweep, parse_seeds
    from roamlab.repeat.workers import cores, processes
    from roamlab.reports import moves as pages
    from roamlab.reports import sweeps
    from roamlab.runs.orchestrator import MOST

    if jobs < 0:
        raise BadInput(f"--jobs {jobs} runs nothing; it takes 1 and more")
    if not 1 <= guest <= MOST:
        raise BadInput(f"--guest {guest} is out of range; it takes 1 to {MOST}")
    plan = matrices.Plan.parse(transports, moves, parse_seeds(seeds))
    if list:
        for session in plan.sessions:
            sys.stdout.write(f"session  {session.name:18} {session.settings}".rstrip() + "\n")
        for move in plan.moves:
            sys.stdout.write(f"move     {move.name:18} {move.words} ({move.command})\n")
        return
    machines = [kernel_for(name) for name in (kernels.split(",") if kernels else [""])]
    directory = Path(out)
    held = Sweep(directory)
    cells, rows = [], []
    about: dict[str, dict[str, str]] = {}
    with held.held():
        with (
            cluster(scheduler) if scheduler else processes(jobs or cores()) as pool,
            sweeps.SweepProgress("matrix", len(plan) * len(machines), ("transport",)) as progress,
        ):
            for machine in machines:
                more_cells, more_rows = matrices.play(plan, held, machine, pool, progress.row, guest)
                cells += more_cells
                rows += more_rows
                kernel = next((cell.kernel for cell in more_cells), "")
                about[kernel] = identity(machine, plan.moves[0].found)
        known: dict[str, inspect.Parameter] = {}
        for grid, _places in plan.grids():
            known |= grid.scenario.parameters()
        written = table_file.write(directory, rows, known)
        paths = pages.write(directory, plan, cells, about)
    if json:
        sys.stdout.write(
            jsonlib.dumps({"cells": msgspec.to_builtins(cells), "about": about, "out": out}) + "\n"
        )
    else:
        pages.show(cells, [*paths, written])
