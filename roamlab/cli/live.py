"""The task that serves the live lab."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput


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
    from roamlab.cli.kernels import kernel_for
    from roamlab.live.serve import listener, serve
    from roamlab.live.session import LiveSession
    from roamlab.live.show import Playing
    from roamlab.live.stage import FASTEST, SLOWEST
    from roamlab.registry import find, settings
    from roamlab.reports import terminal

    if not SLOWEST <= speed <= FASTEST:
        raise BadInput(f"--speed {speed:g} is out of range; it takes {SLOWEST:g} to {FASTEST:g}")

    def said(address: str) -> None:
        line = jsonlib.dumps({"address": address}) if json else f"lab: open {address}   (Ctrl-C ends it)"
        print(line, flush=True)

    if what and len(what) > 1:
        raise BadInput(f"there is one page for one of {', '.join(what)}; name one of them")
    chosen = find((what or ["live"])[0])
    parameters = chosen.complete(settings(set or []))
    sock = listener(port)
    with sock:
        session = LiveSession(chosen, parameters, seed=seed, kernel=kernel_for(kernel), runs=Path(runs))
        show = Playing(session, speed)
        show.stage.running = not stopped
        session.start()
        serve(show, sock, said)
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
