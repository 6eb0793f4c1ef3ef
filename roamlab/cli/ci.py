"""The task that plays a list of runs for a CI job."""

from __future__ import annotations

from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput


@command(
    help={
        "lines": "a file whose lines are `run ...` and `try ...` as one would type them",
        "out": "the folder for junit.xml, summary.md, comment.md and runs/, with a page for each run",
        "pages-url": "the address under which the folder will be found, for the comment's links",
    },
)
def ci(_: Context, lines: str, out: str = "roamlab-results", pages_url: str = "") -> int:
    """Play a list of runs in a CI job: JUnit, a summary, a comment's text, and pages."""
    from roamlab.record import ours
    from roamlab.record.guarded import printable
    from roamlab.reports import ci as formats
    from roamlab.reports.comment import comment
    from roamlab.runs import pipeline

    try:
        text = Path(lines).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the list {lines} cannot be read: {error}") from None
    listed = pipeline.read(text)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out {out} cannot be made: {error.strerror}") from None
    played = []
    for one in pipeline.play(
        listed, folder / "runs", lambda line: print(f"{line.number}: {line.text}", flush=True)
    ):
        judgement = one.result.judgement
        wanted = "" if judgement.verdict == judgement.expected else f", expected {judgement.expected}"
        print("\n  ".join([f"  {judgement.verdict}{wanted}", *map(printable, judgement.reasons)]), flush=True)
        played.append(one)
    results = [one.result for one in played]
    ours.save(folder / "junit.xml", formats.junit(results), formats.JUNIT_SIGN)
    ours.save(folder / "summary.md", formats.summary(results), formats.SUMMARY_SIGN)
    ours.save(folder / "comment.md", comment(played, folder, pages_url), formats.SUMMARY_SIGN)
    print(f"{sum(not each.status for each in results)} of {len(results)} as expected; {folder}", flush=True)
    return max(each.status for each in results)
