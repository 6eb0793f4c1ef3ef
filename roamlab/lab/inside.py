"""The inside of a run: build the network, start the agents, play the scenario. `python -m roamlab.lab.inside RUN_DIR...`.

Runs in a guest or in fresh namespaces, where the run directory is the only thing that can be written. It judges nothing.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from roamlab.errors import LabError, UnsupportedHere
from roamlab.lab.lean import lean
from roamlab.record.run_directory import PLAN, RunDirectory
from roamlab.registry import Plan, find


def step(name: str) -> None:
    """Say where we are, for the outside: it names this step when it has to end us."""
    print(f"roamlab: step {name}", flush=True)


def main(paths: Sequence[Path]) -> int:
    """Play the plans in run directories, one after the other; the exit status (roamlab.errors) of the last one.

    Those that share a guest are each played by a process of its own.
    """
    runs = [RunDirectory.open(path) for path in paths]
    plans = [msgspec.convert(run.read(PLAN), Plan) for run in runs]
    if not plans[0].shared:
        return _ended(runs[0], plans[0])
    _import()
    status = 0
    for number, (run, plan) in enumerate(zip(runs, plans, strict=True)):
        status = _apart(run, plan)
        os.sync()  # else the kernel writes files of this run while the next one is played
        print(f"roamlab: played {number} {status}", flush=True)
    return status


def _apart(run: RunDirectory, plan: Plan) -> int:
    """Play a plan in a process of its own; its exit status."""
    child = os.fork()
    if child == 0:
        status = LabError.status
        try:
            status = _ended(run, plan)
        finally:
            _leave(status)
    _, how = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(how) % 256


def _leave(status: int) -> NoReturn:
    """End this process at once.

    Everything is closed; to take the interpreter down as well would touch each page that it shares with its forks.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _ended(run: RunDirectory, plan: Plan) -> int:
    try:
        _play(run, plan)
    except LabError as error:
        print(f"roamlab: failed: {error}", flush=True)
        return error.status
    except Exception:
        traceback.print_exc()
        last = traceback.format_exc().strip().splitlines()[-1]
        print(f"roamlab: failed: {last}", flush=True)
        return LabError.status
    return 0


def _import() -> None:
    step("imports")
    lean()
    from roamlab.lab.site import Site  # noqa: F401
    from roamlab.record.commands import Command
    from roamlab.record.event import Event, decoder

    for spoken in (Command, Event):  # made once, before agents are forked that need them
        decoder(spoken)


def _play(run: RunDirectory, plan: Plan) -> None:
    _import()
    from roamlab.lab.clock import SystemClock
    from roamlab.lab.site import Site
    from roamlab.lab.surroundings import PROGRAMS, come_of_age
    from roamlab.linux.errors import MissingKernelOption

    file, instead = (str(run.path / name) if ".py" in name else name for name in (plan.file, plan.topology))
    scenario = find(f"{file}:{plan.scenario}" if file else plan.scenario, instead)
    topology, own = scenario.split(plan.parameters)
    if PROGRAMS in scenario.needs:
        come_of_age()
    try:
        with Site(scenario.topology(**topology), run, SystemClock(), announce_step=step) as site:
            step("scenario")
            site.lab.seed = plan.seed
            if plan.live or plan.hand is not None:
                from roamlab.lab import by_hand

                site.lab.follow(by_hand.recorded(plan.hand) if plan.hand else by_hand.live())
            scenario.play(site.lab, **own)
            step("collect")
    except MissingKernelOption as lack:
        raise UnsupportedHere(str(lack)) from None


if __name__ == "__main__":
    _leave(main([Path(name) for name in sys.argv[1:]]))
