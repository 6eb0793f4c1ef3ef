"""What two runs have and have not in common, as one screen of text."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from roamlab.repeat.compare import ChainLine, Comparison, Difference
from roamlab.repeat.prove import Proof, Replay
from roamlab.reports.terminal import console, say

_SHORT = 12  # of a hash


def show_proof(proof: Proof) -> None:
    """Identical, or the first difference."""
    out = console()
    under = f" beside {proof.loops} busy loops" if proof.loops else ""
    if proof.comparison is None or proof.other is None:
        out.print(f"{proof.scenario}: {proof.times} of {proof.times} runs identical to the last bit{under}")
        out.print(Text(f"one of them: {proof.first.path}", "dim"), soft_wrap=True)
        return
    out.print(f"{proof.scenario}: run {proof.times} differs from the first{under}", style="red")
    show_comparison(proof.comparison, str(proof.first.path), str(proof.other.path))


def show_replay(replay: Replay, old: str) -> None:
    """Identical, or why it need not be and how it isn't."""
    out = console()
    if replay.identical:
        out.print(f"{replay.result.judgement.scenario}: identical to the last bit")
    else:
        out.print(f"{replay.result.judgement.scenario}: not the same: {', '.join(replay.differing)}")
    for sentence in replay.altered:
        say(out, f"{old}: {sentence}", 2, "yellow")
    if replay.comparison is not None:
        show_comparison(replay.comparison, old, replay.result.run_dir)
    elif replay.conditions:
        _table(out, "not the same as then", [Difference(*parts) for parts in replay.conditions])
    if any(name == "scenario_sha256" for name, _, _ in replay.conditions):
        out.print(
            "the scenario's file, or what it imports beside it, has changed since that run", style="yellow"
        )
    out.print(Text(f"run directory: {replay.result.run_dir}", "dim"), soft_wrap=True)


def show_comparison(comparison: Comparison, a: str, b: str) -> None:
    """Where two runs part: conditions, first differing event, measurements, causal chains."""
    out = console()
    out.print(Text(f"a  {a}\nb  {b}", "dim"), soft_wrap=True)
    if comparison.identical:
        out.print("identical to the last bit: events, capture and verdict")
    _table(out, "runs", [_shortened(difference) for difference in comparison.conditions])
    shown = comparison.happened or comparison.first
    if shown is not None:
        _pair(out, f"first event that differs, {shown.where}", shown)
        if comparison.happened is None:
            out.print("  only in times: what happened is the same, in the same order", style="dim")
    if comparison.packet is not None:
        _pair(out, f"no event differs; first packet that does, {comparison.packet.where}", comparison.packet)
    _table(out, "measurements", list(comparison.measurements))
    if comparison.chain:
        out.print("\ncausal chain (s); < only in a, > only in b", style="bold")
        for line in comparison.chain:
            _chain_line(out, line)


def _pair(out: Console, heading: str, difference: Difference) -> None:
    out.print(f"\n{heading}", style="bold")
    say(out, f"  a  {difference.a}", 5)
    say(out, f"  b  {difference.b}", 5)


def _table(out: Console, heading: str, differences: list[Difference]) -> None:
    if not differences:
        return
    table = Table(heading, "a", "b", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for difference in differences:
        table.add_row(Text(difference.where), Text(difference.a), Text(difference.b))
    out.print()
    out.print(table)


def _shortened(difference: Difference) -> Difference:
    if not difference.where.endswith("sha256"):
        return difference
    return Difference(difference.where, difference.a[:_SHORT], difference.b[:_SHORT])


def _chain_line(out: Console, line: ChainLine) -> None:
    sides = ["" if time is None else f"{time:.6f}" for time in (line.a_s, line.b_s)]
    mark, style = {0: (" ", ""), 1: ("<", "red"), 2: (">", "green")}[
        0 if all(sides) else 1 if sides[0] else 2
    ]
    text = f"{mark} {sides[0]:>11} {sides[1]:>11}  {line.node:<5} {line.step:<20} {line.text}"
    say(out, text, 28, style)
