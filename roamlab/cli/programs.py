"""Tasks that run the user's own programs."""

from __future__ import annotations

import dataclasses
import json as jsonlib
import sys
from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput


@command(
    name="exec",
    iterable=["words", "env"],
    positional=["words"],
    help={
        "words": "the command and its arguments, after --",
        "topology": "the topology to run it on: HomeAndVisited, ...",
        "on": "the node to run it on; the mobile node by default",
        "env": "NAME=VALUE, sets a variable of its environment; may be repeated",
        "keep": "a directory in which files that it writes are kept; all others are discarded",
        "repeat": "run it this many times and compare output, exit status and capture",
        "seeds": "A-B: run it once with each of these seeds and list those that fail",
        "jitter": "a number that varies the cost of system calls, to get another interleaving",
        "memory": "the guest's memory in MiB",
        "limit": "the time limit, in seconds of wall time",
        "tty": "connect it to this terminal instead of pipes",
    },
)
def exec_(
    _: Context,
    words: list[str] | None = None,
    topology: str = "",
    on: str = "",
    seed: int = 1,
    jitter: str = "",
    kernel: str = "",
    env: list[str] | None = None,
    keep: str = "",
    repeat: int = 1,
    seeds: str = "",
    memory: int = 512,
    limit: int = 3600,
    runs: str = "runs",
    tty: bool = False,
) -> int:
    """Run a command as root in a fresh guest that sees this machine's files; exits with the command's status."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.registry import check_seed
    from roamlab.reports import commands
    from roamlab.runs.command import Request, execute, pairs, span

    if jitter and not jitter.isdecimal():
        raise BadInput(f"--jitter {jitter} is not a number")
    if seeds and repeat != 1:
        raise BadInput("--seeds runs each seed once; give either --repeat or --seeds")
    if tty and (seeds or repeat != 1):
        raise BadInput("--tty is for a single run; leave out --repeat and --seeds")
    if repeat < 1 or memory < 64 or limit < 1:
        raise BadInput("--repeat and --limit are at least 1, --memory at least 64")
    request = Request(
        argv=tuple(words or ()),
        env=pairs(env or []),
        topology=topology,
        node=on,
        kept=Path(keep) if keep else None,
        seed=check_seed(seed),
        jitter=int(jitter) if jitter else None,
        memory_mib=memory,
        limit_s=float(limit),
    )
    machine = kernel_for(kernel)
    stdin = b"" if tty or sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    if seeds:
        requests = [dataclasses.replace(request, seed=number) for number in span(seeds, "--seeds")]
        return commands.seeds(requests, machine, Path(runs), stdin)
    if repeat > 1:
        return commands.repeat(request, machine, Path(runs), stdin, repeat)
    ran = execute(
        request,
        machine,
        runs=Path(runs),
        stdin=stdin,
        terminal=tty,
        on_said=commands.pass_on,
    )
    commands.end(ran)
    return ran.status


@command(
    name="try",
    iterable=["do"],
    help={
        "cn": "a shell command for the correspondent node, such as a server; the nodes know each other as cn and mn",
        "mn": "a shell command for the mobile node, such as a client",
        "at": "seconds from the client's start until the mobile node's NIC is unplugged",
        "move": "the segment to move to",
        "gap": "seconds without a link",
        "do": "instead of the move, what happens to the mobile node: '5 link-down', '8 link-up'; may be repeated",
        "wait": "seconds after the move at which the run ends at the latest",
        "ready": "the port that a ready server listens on, or a pattern that it prints; by default any port",
        "family": "4 or 6: resolve host names to IPv4 or IPv6 addresses",
        "expect": "the verdict that gives exit status 0: survived, recovered or broke",
        "max-outage": "seconds; a longer outage counts as a failure",
        "catalogue": "play all programs of roamlab/runs/catalogue.toml that are installed, and print a table",
        "auto-asconf": "let the kernel announce new addresses of SCTP associations by itself (default_auto_asconf)",
    },
)
def try_(
    _: Context,
    cn: str = "",
    mn: str = "",
    at: str = "",
    move: str = "",
    gap: str = "",
    do: list[str] | None = None,
    wait: str = "60",
    ready: str = "",
    family: int = 4,
    expect: str = "survived",
    max_outage: str = "",
    auto_asconf: bool = False,
    catalogue: bool = False,
    kernel: str = "",
    seed: int = 1,
    runs: str = "runs",
    json: bool = False,
    report: bool = True,
    junit: str = "",
    summary: str = "",
) -> int:
    """Run two programs, move the mobile node between networks, and report whether they coped."""
    from roamlab.kernels.choose import select
    from roamlab.lab import said
    from roamlab.registry import check_seed, find
    from roamlab.reports import commands, terminal
    from roamlab.reports.outputs import Outputs
    from roamlab.runs import orchestrator

    if catalogue:
        from roamlab.runs import catalogue as programs

        print("| program | verdict | outage up / down, s | what happened |\n|---|---|---|---|", flush=True)
        played = programs.play(
            select(kernel or None), seed=check_seed(seed), runs=Path(runs), on_line=lambda _: None
        )
        for entry, outcome in played:
            print(programs.row(entry, outcome), flush=True)
        return 0
    if not mn:
        raise BadInput("--mn is missing: the program on the mobile node, as in --mn 'curl http://cn:8000/'")
    if family not in (4, 6):
        raise BadInput(f"--family is 4 or 6, not {family}")
    if expect not in ("survived", "recovered", "broke"):
        raise BadInput(f"--expect is survived, recovered or broke, not {expect!r}")
    if do and (at or move or gap):
        raise BadInput("--do says all that happens; leave out --at, --move and --gap")
    numbers = {"at": at or "5", "gap": gap or "2", "wait": wait, "max-outage": max_outage or "0"}
    for name, text in numbers.items():
        if not text.replace(".", "", 1).isdecimal():
            raise BadInput(f"--{name} {text} is not a number of seconds")
    chosen = find("programs")
    told = "; ".join(do or []) or f"{at or 5} move to={move or 'visited'}"
    said.check(said.read(told), chosen.topology().segments)
    given = {
        "cn": cn,
        "mn": mn,
        "at": at,
        "move": move,
        "gap": gap,
        "do": "; ".join(do or []),
        "wait": wait,
        "ready": ready,
        "expect": expect,
    }
    given |= {"family": str(family), "auto_asconf": str(auto_asconf).lower(), "directory": str(Path.cwd())}
    if max_outage:
        given["max_outage"] = max_outage
    parameters = chosen.complete({name: text for name, text in given.items() if text})
    with terminal.Progress([chosen.name], quiet=json) as progress:
        result = orchestrator.run(
            chosen,
            parameters,
            seed=check_seed(seed),
            kernel=select(kernel or None),
            runs=Path(runs),
            on_line=lambda line: progress.line(chosen.name, line),
        )
    if json:
        print(jsonlib.dumps(result.as_dict()), flush=True)
    else:
        commands.show_talks(result)
    pages = Outputs(report, junit, False, summary).write([result])
    if not json:
        terminal.show_pages(pages)
    return result.status
