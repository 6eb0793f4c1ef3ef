"""Tasks that run programs nobody wrote for roamlab."""

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
        "words": "the command and its arguments, behind --",
        "topology": "a network to run it in: HomeAndVisited, ...",
        "on": "the node of the topology that it runs on; the mobile node unless given",
        "env": "NAME=VALUE, into its environment; may be repeated",
        "keep": "a directory that it really writes; all else that it writes vanishes",
        "repeat": "run it so many times, and compare output, exit status and capture",
        "seeds": "A-B: run it once with each seed, and say which fail",
        "jitter": "a number that the price of system calls follows from: another interleaving",
        "memory": "the guest's memory in MiB",
        "limit": "seconds of wall time after which it is ended",
        "tty": "give it this terminal instead of pipes",
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
    """Run any command as root in a fresh guest, on this machine's files; its exit status is the command's."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.registry import check_seed
    from roamlab.reports import commands
    from roamlab.runs.command import Request, execute, pairs, span

    if jitter and not jitter.isdecimal():
        raise BadInput(f"--jitter {jitter} is no number")
    if seeds and repeat != 1:
        raise BadInput("--seeds runs each seed once; leave out --repeat, or --seeds")
    if tty and (seeds or repeat != 1):
        raise BadInput("--tty is for one run; leave out --repeat and --seeds")
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
    help={
        "cn": "a line for a shell: the program on the correspondent node, say a server; nodes know each other as cn and mn",
        "mn": "a line for a shell: the program on the mobile node, say a client",
        "at": "seconds after the client's start at which the mobile node's NIC leaves",
        "move": "the segment to which it goes",
        "gap": "seconds without a link",
        "wait": "seconds after the move at which the run ends at the latest",
        "ready": "a port on which the server listens, or a pattern of what it says; without, any port",
        "family": "4 or 6: what names are looked up as",
        "expect": "survived, recovered or broke: the exit status is 0 when it comes to that",
        "max-outage": "seconds: a longer outage is a failure too",
        "catalogue": "play all programs of roamlab/runs/catalogue.toml that are here, and print a table",
        "auto-asconf": "have the kernel announce new addresses in SCTP associations by itself (default_auto_asconf)",
    },
)
def try_(
    _: Context,
    cn: str = "",
    mn: str = "",
    at: str = "5",
    move: str = "visited",
    gap: str = "2",
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
    """Run two programs, move the mobile node between networks, and say whether they got over it."""
    from roamlab.kernels.choose import select
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
    numbers = {"at": at, "gap": gap, "wait": wait, "max-outage": max_outage or "0"}
    for name, text in numbers.items():
        if not text.replace(".", "", 1).isdecimal():
            raise BadInput(f"--{name} {text} is no number of seconds")
    given = {
        "cn": cn,
        "mn": mn,
        "at": at,
        "move": move,
        "gap": gap,
        "wait": wait,
        "ready": ready,
        "expect": expect,
    }
    given |= {"family": str(family), "auto_asconf": str(auto_asconf).lower(), "directory": str(Path.cwd())}
    if max_outage:
        given["max_outage"] = max_outage
    chosen = find("programs")
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
