"""Real programs, as data (catalogue.toml), and a table of what became of each when the mobile node moved."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from roamlab.kernels.job import Kernel
from roamlab.record.guarded import printable
from roamlab.record.result import Result
from roamlab.registry import find
from roamlab.runs import orchestrator

_FILE: Final = Path(__file__).with_name("catalogue.toml")
_NONE: Final = "\N{EN DASH}"
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pair of programs: lines for a shell, and the commands and files (by their path) without which they cannot be run.

    ``wait`` is how long after the move (s) the run goes on at most.
    """

    name: str
    mn: str
    needs: list[str]
    cn: str = ""
    ready: str = ""
    auto_asconf: bool = False
    wait: float = 60.0

    @property
    def missing(self) -> list[str]:
        """The commands and files that this machine lacks."""
        return [name for name in self.needs if not _is_here(name)]


def _is_here(name: str) -> bool:
    return Path(name).exists() if "/" in name else shutil.which(name, path=_PATH) is not None


def entries() -> list[Entry]:
    """The catalogue, in its order."""
    return msgspec.convert(tomllib.loads(_FILE.read_text())["program"], list[Entry])


def play(
    kernel: Kernel, *, seed: int, runs: Path, on_line: Callable[[str], None]
) -> Iterator[tuple[Entry, Result | None]]:
    """Play each entry; None for one whose programs are not on this machine."""
    chosen = find("programs")
    for entry in entries():
        if entry.missing:
            yield entry, None
            continue
        texts = {"cn": entry.cn, "mn": entry.mn, "ready": entry.ready}
        parameters = chosen.complete({name: text for name, text in texts.items() if text})
        parameters |= {"auto_asconf": entry.auto_asconf, "wait": entry.wait}
        yield (
            entry,
            orchestrator.run(chosen, parameters, seed=seed, kernel=kernel, runs=runs, on_line=on_line),
        )


def row(entry: Entry, result: Result | None) -> str:
    """An entry as a row of a Markdown table: program, verdict, outage up and down, and what happened in a sentence."""
    if result is None:
        return f"| {entry.name} | not played | | {', '.join(entry.missing)} not installed |"
    judgement = result.judgement
    lengths = {
        o.direction: f"{o.length_ns / 1e9:.2f}" if o.length_ns is not None else _NONE
        for o in judgement.outages
    }
    both = " / ".join(
        lengths.get(way, _NONE if judgement.verdict == "broke" else "0") for way in ("up", "down")
    )
    lasting = "was still running at the end"
    told = [r for r in judgement.reasons[1:] if "gave up" in r or (lasting in r and " on mn " in r)]
    said = "; ".join([judgement.reasons[0].partition(": ")[2] or judgement.reasons[0], *told[:1]])
    plain = printable(" ".join(said.replace("|", "/").split()))
    return f"| {entry.name} | {judgement.verdict} | {both} | {plain} |"
