"""Tasks that look at what was played before: a run, a capture, two runs, pages of many."""

from __future__ import annotations

from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.where import COMMAND


@command(
    help={
        "run": "a run directory, or one of several: the latest",
        "follow": "say what happens while the run goes on, first",
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
        "capture": "a pcapng or pcap file, ours or not, or a run directory",
        "filter": "words that must all fit a packet: asconf set-primary address=192.0.2.10 !heartbeat node=mn",
    }
)
def decode(_: Context, capture: str, filter: str = "") -> None:
    """Show a capture's SCTP packets by name and field, or Mobile IP's and ARP where the filter names them."""
    from roamlab.query import decoding
    from roamlab.record.guarded import printable

    for line in decoding.decode(Path(capture), filter):
        print(printable(line))


@command(help={"one": "a run directory", "other": "another"})
def diff(_: Context, one: str, other: str) -> int:
    """Show where two runs part: the first differing event, then measurements and causal chains."""
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
        "matrix": "one page of scenarios against kernels and variants, of these runs or of all; a file, or runs/matrix.html",
        "runs": "where run directories are",
        "sweep": "the directory of a sweep: heat maps and curves, each cell a link to its run",
        "export": "a directory for the runs' ladder and timeline as SVG and PNG, and their measurements as CSV",
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
    """Write runs as pages: one a run, a matrix of many, or a sweep."""
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
