"""Tasks that look at finished runs: show one, decode a capture, compare two, write pages."""

from __future__ import annotations

from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.where import COMMAND


@command(
    help={
        "run": "a run directory, or a directory of runs: the latest of them",
        "follow": "first print events while the run is in progress",
    }
)
def show(_: Context, run: str, follow: bool = False) -> None:
    """Draw a run as a ladder of packets, with its verdict."""
    from roamlab.record import verified
    from roamlab.record.run_directory import RunDirectory
    from roamlab.reports import terminal
    from roamlab.reports.follow import follow as following

    directory = RunDirectory.open(Path(run))
    if follow:
        for line in following(directory):
            terminal.console().print(line, markup=False, soft_wrap=True)
    terminal.show_run(directory)
    verified.refuse_altered(directory)


@command(
    help={
        "capture": "a pcapng or pcap file from any source, or a run directory",
        "filter": "terms that a packet must all match: asconf set-primary address=192.0.2.10 !heartbeat node=mn",
    }
)
def decode(_: Context, capture: str, filter: str = "") -> None:
    """Decode a capture's SCTP packets field by field, or its Mobile IP and ARP packets if the filter names those."""
    from roamlab.query import decoding
    from roamlab.record.guarded import printable

    for line in decoding.decode(Path(capture), filter):
        print(printable(line))


@command(help={"one": "a run directory", "other": "the run directory to compare it with"})
def diff(_: Context, one: str, other: str) -> int:
    """Compare two runs: the first event that differs, then measurements and causal chains."""
    from roamlab.record import verified
    from roamlab.record.run_directory import RunDirectory
    from roamlab.repeat.compare import compare
    from roamlab.reports import comparison

    a, b = RunDirectory.open(Path(one)), RunDirectory.open(Path(other))
    compared = compare(a, b)
    comparison.show_comparison(compared, str(a.path), str(b.path))
    for run in (a, b):
        verified.refuse_altered(run)
    return 0 if compared.identical else 1


@command(
    iterable=["run"],
    positional=["run"],
    optional=["matrix"],
    help={
        "run": f"a run directory; `{COMMAND} report` takes any number of them",
        "matrix": "one page of scenarios against kernels and variants, for these runs or all; by default runs/matrix.html",
        "runs": "the directory that holds the run directories",
        "sweep": "the directory of a sweep: draws heat maps and curves, with a link from each cell to its run",
        "export": "a directory for each run's ladder and timeline (SVG and PNG) and measurements (CSV)",
    },
)
def report(
    _: Context,
    run: list[str] | None = None,
    matrix: str | bool = "",
    sweep: str = "",
    export: str = "",
    runs: str = "runs",
) -> None:
    """Write HTML pages: one per run, a matrix of many runs, or a sweep."""
    from roamlab.record import verified
    from roamlab.record.run_directory import RunDirectory
    from roamlab.reports import pages, terminal

    names = [Path(name) for name in run or []]
    if matrix and not names:
        names = pages.all_runs(Path(runs))
    page = str(Path(runs) / "matrix.html") if matrix is True else str(matrix)
    terminal.show_pages(pages.write(names, matrix=page, sweep=sweep, export=export))
    for name in names:
        verified.refuse_altered(RunDirectory.open(name))
