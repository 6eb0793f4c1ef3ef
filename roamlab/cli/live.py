"""The task that serves the live lab."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput

if TYPE_CHECKING:
    from roamlab.live.app import Show
    from roamlab.registry import Scenario


@command(
    positional=["what"],
    iterable=["set", "what"],
    help={
        "what": "a scenario, a topology, or the directory of a run to step through; a session on FIG. 1's network without",
        "speed": "how many seconds go by for one of yours",
        "port": "the port to listen on; any that is free without",
        "stopped": "begin with time standing still",
        "json": "print JSON lines: the address, and the result",
    },
)
def live(
    _: Context,
    what: list[str] | None = None,
    kernel: str = "",
    seed: int = 1,
    set: list[str] | None = None,
    speed: float = 1.0,
    port: int = 0,
    runs: str = "runs",
    stopped: bool = False,
    json: bool = False,
) -> int:
    """Serve a page on which you take the mobile node from network to network while it runs."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as missing:
        raise BadInput(
            f"the live lab needs the package {missing.name}; install it with: pip install 'roamlab[live]'"
        ) from None
    from roamlab.live.serve import listener, serve
    from roamlab.live.show import Looking
    from roamlab.live.stage import FASTEST, SLOWEST

    if not SLOWEST <= speed <= FASTEST:
        raise BadInput(f"--speed {speed:g} is out of range; it takes {SLOWEST:g} to {FASTEST:g}")
    if what and len(what) > 1:
        raise BadInput(f"there is one page for one of {', '.join(what)}; name one of them")
    named = (what or ["live"])[0]

    def said(address: str) -> None:
        line = jsonlib.dumps({"address": address}) if json else f"lab: open {address}   (Ctrl-C ends it)"
        print(line, flush=True)

    with listener(port) as sock:

        def show(shown: Show) -> None:
            shown.stage.running = not stopped
            serve(shown, sock, said)

        if Path(named).is_dir():
            from roamlab.record.run_directory import RunDirectory

            show(Looking(RunDirectory.open(Path(named)), speed))
            return 0
        return _play(named, set or [], kernel, seed, speed, Path(runs), show, json=json)


def _play(
    named: str,
    settings: list[str],
    kernel: str,
    seed: int,
    speed: float,
    runs: Path,
    show: Callable[[Show], None],
    *,
    json: bool,
) -> int:
    """Play a session under the page's hand, and print what came of it."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.live.session import LiveSession
    from roamlab.live.show import Playing
    from roamlab.registry import settings as read
    from roamlab.reports import terminal

    chosen = _scenario(named)
    parameters = chosen.complete(read(settings))
    machine = kernel_for(kernel)
    if machine.kind == "machine":
        raise BadInput(
            f"{machine.version} runs under QEMU, which hands its files out when it has ended: it cannot be watched; "
            "take --kernel uml, debian or native"
        )
    session = LiveSession(chosen, parameters, seed=seed, kernel=machine, runs=runs)
    session.start()
    try:
        show(Playing(session, speed))
    finally:
        session.end()
        session.wait()
    if session.failure:
        raise BadInput(session.failure)
    assert session.result is not None
    if json:
        print(jsonlib.dumps(session.result.as_dict()), flush=True)
    else:
        terminal.show_result(session.result)
    return session.result.status


def _scenario(named: str) -> Scenario:
    """The scenario of that name, or the live one in the topology of that name."""
    from roamlab import own_files, registry
    from roamlab.topologies import TOPOLOGIES

    if named in TOPOLOGIES:
        return registry.find("live", named)
    if own_files.is_file(named):
        try:
            return registry.find(named)
        except BadInput as not_one:
            try:
                return registry.find("live", named)
            except BadInput:
                raise not_one from None
    return registry.find(named)
