"""What people see in the terminal: progress while a run goes on, tables and the ladder when it is done.

Progress goes to standard error, results to standard output. Where output is no terminal all of it is plain text, and
NO_COLOR is honoured (rich does both).
"""

from __future__ import annotations

import os
import re
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as RichProgress
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from roamlab.errors import LabError
from roamlab.record import guarded, verified
from roamlab.record.result import Both, CausalStep, Count, Judgement, Measure, Result
from roamlab.record.run_directory import CONSOLE, REPORT, VERDICT, RunDirectory
from roamlab.registry import Scenario
from roamlab.reports import words

_STYLES: Final = {
    "survived": "green",
    "recovered": "cyan",
    "broke": "red",
    "no session": "red",
    "unsupported": "yellow",
    "invalid": "magenta",
}
_AT: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)/(\d{1,9}(?:\.\d{1,9})?)")
_TAIL: Final = 8
_TAIL_BYTES: Final = 8192
_PAGES: Final = 3  # more are counted, not listed
_QUIET_S: Final = 2.0  # progress is for what takes longer than this
WIDE: Final = 80  # the columns that tables of figures need
_FIVE_COLUMNS: Final = 110  # the same for the table of scenarios
_COLUMNS: Final = ("expected", "verdict", "outage s", "lost", "dup.", "bound s", "ratio")
_WORDS: Final = ("expected", "verdict")
_KEPT: Final = ("verdict", "outage s", "lost")


def style(verdict: str) -> str:
    """The colour of a verdict."""
    return _STYLES.get(verdict, "")


def console(*, stderr: bool = False) -> Console:
    """The console for results, or the one for progress. Off a terminal lines are as long as they need to be."""
    made = _Console(stderr=stderr, highlight=False, markup=False)
    if not made.is_terminal:
        made = _Console(
            file=cast("IO[str]", _Trimmed(cast("TextIO", made.file))),
            highlight=False,
            markup=False,
            width=200,
        )
    return made


class _Console(Console):
    """A console that prints nothing that a terminal would obey but what rich itself makes, and no markup.

    Its reader may stop reading: rich would end the program with status 1.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed, with control characters escaped."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_escaped(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Leave it to the program, which ends as if all had been read."""
        raise BrokenPipeError


def _escaped(text: str) -> str:
    """Text with its control characters escaped, but for the ends of lines."""
    return "\n".join(map(guarded.printable, text.split("\n")))


class _Trimmed:
    """A stream without the spaces with which tables fill up their lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding
        self.flush, self.isatty, self.fileno = stream.flush, stream.isatty, stream.fileno

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(" +(?=\n)", "", text))


def say(out: Console, line: str, indent: int, style: str = "") -> None:
    """Print a line; what of it is too long for a terminal stands below, behind ``indent`` spaces."""
    line = guarded.printable(line)
    if out.is_terminal:
        line = textwrap.fill(line, out.width, subsequent_indent=" " * indent, break_on_hyphens=False)
    out.print(line, style=style, markup=False, soft_wrap=True)


class Bars:
    """Progress bars on standard error: there while a ``with`` lasts, gone afterwards, and only on a terminal."""

    def __init__(self, *columns: ProgressColumn, quiet: bool = False) -> None:
        self._console = console(stderr=True)
        self._live = self._console.is_terminal and not quiet
        self._plain = not self._console.is_terminal and not quiet
        self._bars = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            *columns,
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


class Progress(Bars):
    """Where one or several runs stand. ``line`` takes what an inside prints (``roamlab: step NAME``, ``roamlab: at S/S``)."""

    def __init__(self, names: Sequence[str], *, quiet: bool = False) -> None:
        super().__init__(BarColumn(20), TextColumn("{task.fields[step]}", markup=False), quiet=quiet)
        self._tasks: dict[str, TaskID] = {
            name: self._bars.add_task(name, total=1.0, step="waiting", start=False) for name in names
        }

    def line(self, name: str, line: str) -> None:
        """Take one line of the inside of the run called ``name``."""
        word, _, rest = line.removeprefix("roamlab: ").partition(" ")
        if not line.startswith("roamlab: ") or word not in ("step", "at"):
            return
        bar = self._tasks[name]
        if not self._bars.tasks[bar].started:
            self._bars.start_task(bar)
        if word == "step":
            self._bars.update(bar, step=rest)
        else:
            at = _AT.fullmatch(rest)
            if at is None or not float(at[2]):  # a job may print what looks like ours and isn't
                return
            self._bars.update(bar, completed=float(at[1]) / float(at[2]), step=f"{at[1]} of {at[2]} s")
        if self._plain and time.monotonic() - self._said > _QUIET_S:
            self._said = time.monotonic()
            self._console.print(f"{name}: {rest}", markup=False)

    def done(self, name: str, result: Result) -> None:
        """The run called ``name`` came to its end."""
        self._bars.update(self._tasks[name], completed=1.0, step=result.judgement.verdict)
        self._bars.stop_task(self._tasks[name])
        if self._plain:
            self._console.print(f"{name}: {result.judgement.verdict}", markup=False)


class Tally(Bars):
    """How many of a known number of things are done; shown while it takes, gone afterwards."""

    def __init__(self, what: str, total: int) -> None:
        super().__init__(BarColumn(20), MofNCompleteColumn())
        self._task = self._bars.add_task(what, total=total)
        self._what, self._total = what, total

    def show(self, done: int) -> None:
        """So many are done now."""
        self._bars.update(self._task, completed=done)
        if self._plain and time.monotonic() - self._said > _QUIET_S:
            self._said = time.monotonic()
            self._console.print(f"{self._what}: {done} of {self._total}", markup=False)


def show_scenarios(scenarios: Mapping[str, Scenario]) -> None:
    """A table of all scenarios; on a narrow terminal, a paragraph for each."""
    out = console()
    table = Table(
        "scenario", "figure", "expected", "what happens", "parameters", box=None, padding=(0, 2, 0, 0)
    )
    for scenario in scenarios.values():
        settings = " ".join(f"{p.name}={p.default}" for p in scenario.own_parameters().values())
        expected = verdict_text(scenario.expect.value)
        if out.width < _FIVE_COLUMNS:
            out.print(Text.assemble((scenario.name, "bold"), f" ({_figure(scenario.figure)}): ", expected))
            say(out, f"    {scenario.summary}", 4)
            if settings:
                say(out, f"    {settings}", 4, "dim")
        else:
            table.add_row(scenario.name, scenario.figure, expected, scenario.summary, Text(settings, "dim"))
    if table.row_count:
        out.print(table)
    topology = {name: "" for s in scenarios.values() for name in s.topology_parameters()}
    say(out, "every scenario also takes its topology's: " + " ".join(topology), 4, "dim")


def _figure(figure: str) -> str:
    return "no figure" if figure == "none" else figure


def show_result(result: Result) -> None:
    """One run's verdict: the sentence, the reasons, the figures and the causal chain."""
    judgement, out = result.judgement, console()
    out.print(
        Text.assemble(
            (judgement.scenario, "bold"),
            f" ({_figure(judgement.figure)}): ",
            verdict_text(judgement.verdict),
            "" if judgement.verdict == judgement.expected else f", expected {judgement.expected}",
        )
    )
    for reason in judgement.reasons:
        say(out, f"  {reason}", 2)
    if result.status == LabError.status:
        show_console_tail(RunDirectory(Path(result.run_dir)))
    own = [(one.name, one.chain) for one in judgement.sessions if one.chain]
    for title, chain in own or [("", judgement.chain)]:
        _show_chain(out, title, chain)
    out.print(table([result], out.width))
    if judgement.measures:
        out.print(_measures(judgement.measures))
    out.print(Text(f"run directory: {result.run_dir}", "dim"), soft_wrap=True)


def _show_chain(out: Console, title: str, chain: Sequence[CausalStep]) -> None:
    """A causal chain, a step a line, under the name of its session where there are several."""
    if not chain:
        return
    out.print()
    if title:
        say(out, f"  {title}", 2)
    for step in chain:
        say(out, f"  {step.t:10.6f} s  {step.node:<6} {step.step:<22} {step.text}", 23)
    out.print()


def _measures(measures: Sequence[Measure]) -> Table:
    """What this kind of scenario measures besides."""
    made = Table("measure", box=None, padding=(0, 2, 0, 0), header_style="bold")
    made.add_column("value", justify="right")
    made.add_column("unit")
    for measure in measures:
        made.add_row(measure.title, f"{measure.value:g}", measure.unit)
    return made


def show_pages(pages: Sequence[Path]) -> None:
    """Where pages are that were written, and pictures and numbers by their directories."""
    reports = [page for page in pages if page.name == REPORT]
    lines = [f"report: {page}" for page in reports]
    if len(reports) > _PAGES:
        lines = [
            f"{len(reports)} reports: {REPORT} in each run directory below {os.path.commonpath(reports)}"
        ]
    for directory, found in groupby(
        (page for page in pages if page.name != REPORT), lambda page: page.parent
    ):
        first, *more = found
        lines.append(f"{len(more) + 1} files: {directory}" if more else f"page: {first}")
    for line in lines:
        console().print(line, markup=False, soft_wrap=True)


def note(sentence: str) -> None:
    """A remark beside the results."""
    console(stderr=True).print(sentence, style="dim", markup=False)


def show_console_tail(run: RunDirectory) -> None:
    """The console's last lines, where a run ended that should not have."""
    try:
        end = guarded.read_end(run.path, CONSOLE, _TAIL_BYTES)
    except (OSError, LabError):
        return
    for line in end.decode(errors="replace").splitlines()[-_TAIL:]:
        console().print(f"  | {guarded.printable(line)}", markup=False, style="dim")


def show_table(results: Sequence[Result]) -> None:
    """The table that a demonstration ends with."""
    out = console()
    out.print(table(results, out.width))
    for result in results:
        if result.judgement.verdict != result.judgement.expected:
            out.print(
                f"\n{result.judgement.scenario}{_settings(result.parameters)}: {result.run_dir}", markup=False
            )
            for reason in result.judgement.reasons:
                say(out, f"  {reason}", 2)


def table(results: Sequence[Result], width: int = WIDE) -> Table:
    """Scenario, expected, verdict and figures, a line a run; every pair of figures is up/down.

    Fits ``WIDE`` columns; where there are fewer, what was expected and how well it could have been is left out.
    """
    made = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    made.add_column("scenario")
    kept = [column for column in _COLUMNS if width >= WIDE or column in _KEPT]
    for heading in kept:
        made.add_column(heading, justify="left" if heading in _WORDS else "right", no_wrap=True)
    for result in results:
        judgement = result.judgement
        cells = dict(zip(_COLUMNS, _cells(judgement), strict=True))
        made.add_row(judgement.scenario + _settings(result.parameters), *(cells[heading] for heading in kept))
    return made


def _cells(judgement: Judgement) -> tuple[str | Text, ...]:
    """What stands in ``_COLUMNS``."""
    as_expected = judgement.verdict == judgement.expected
    return (
        judgement.expected,
        verdict_text(judgement.verdict) if as_expected else Text(f"{judgement.verdict} (!)", "bold red"),
        _seconds(judgement.outage_s),
        _count(judgement.lost),
        _count(judgement.duplicated),
        _seconds(judgement.lower_bound_s),
        _ratio(judgement.outage_s, judgement.lower_bound_s),
    )


def show_run(run: RunDirectory) -> None:
    """A run as a ladder diagram, then its verdict where it has one."""
    from roamlab.reports.text import draw  # all that a ladder is made of, for which a verdict need not wait

    out = console()
    for line in draw(run, width=out.width if out.is_terminal else 120):
        out.print(line)
    out.print()
    if not (run.path / VERDICT).exists():
        held = run.is_held()
        why = (
            "there is no verdict yet; the run is in progress"
            if held
            else "there is no verdict; the run was ended early"
        )
        out.print(why, style="yellow")
        return
    verdict, manifest = run.judgement(), verified.manifest(run)
    named = guarded.printable(verdict.scenario)
    out.print(Text.assemble((named, "bold"), ": ", verdict_text(guarded.printable(verdict.verdict))))
    for reason in verdict.reasons:
        say(out, f"  {reason}", 2)
    out.print(Text(f"again: {guarded.printable(manifest.replay)}", "dim"), soft_wrap=True)


def verdict_text(verdict: str) -> Text:
    """A verdict in its colour; the word itself carries the meaning."""
    return Text(verdict, _STYLES.get(verdict, ""))


def _settings(parameters: Mapping[str, object]) -> str:
    return "".join(f" {name}={value}" for name, value in parameters.items())


def _seconds(both: Both) -> str:
    return "/".join("-" if value is None else f"{value:.3f}" for value in (both.up, both.down))


def _count(count: Count) -> str:
    return f"{count.up}/{count.down}"


def _ratio(outage: Both, bound: Both) -> str:
    pairs = ((outage.up, bound.up), (outage.down, bound.down))
    return "/".join(words.ratio(o, b, "-") for o, b in pairs)
