"""The two shows: a session that a person plays, and a run that is over."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from roamlab.errors import BadInput
from roamlab.live.app import About
from roamlab.live.drawing import draw
from roamlab.live.finished import FinishedRun
from roamlab.live.scenario_file import text
from roamlab.live.session import LiveSession
from roamlab.live.stage import Stage
from roamlab.record import guarded, verified
from roamlab.record.hand import AnyAct
from roamlab.record.identity import kernel_name
from roamlab.record.run_directory import RunDirectory
from roamlab.registry import known
from roamlab.reports.story import read
from roamlab.where import COMMAND

_DOWNLOADS: Final = ("capture.pcapng", "verdict.json")


class Playing:
    """A session under a person's hand."""

    def __init__(self, session: LiveSession, speed: float) -> None:
        self.session = session
        self.stage = Stage(session, speed=speed, word=self._word)
        kernel = session.kernel
        time = "virtual time" if session.paced else "real time: it cannot be stopped"
        self.about = About(
            title=session.scenario.name,
            note=f"Linux {kernel.version}{f' ({kernel.variant})' if kernel.variant else ''}, {time}, seed {session.seed}",
            acts=True,
            scenario=True,
            apart=session.apart_m,
            paced=session.paced,
            drawing=draw(session.topology, {"parameters": session.parameters}),
        )

    def _word(self) -> str:
        """What came of the run, in a sentence."""
        if self.session.failure:
            return self.session.failure
        if (result := self.session.result) is None:
            return ""
        judgement = result.judgement
        return f"{judgement.verdict}: {guarded.printable('; '.join(judgement.reasons))}"

    def act(self, act: AnyAct) -> float:
        """Do something."""
        return self.session.act(act)

    def end(self) -> None:
        """End the session."""
        self.session.end()
        self.stage.set_time(running=True)

    def go_to(self, time_s: float) -> None:
        """Live time goes on in one direction."""
        del time_s
        raise BadInput("a session that goes on cannot be wound back; open its run when it is over")

    def scenario(self) -> str:
        """The session so far, as a scenario."""
        session = self.session
        kernel = kernel_name(session.kernel)
        command = f"{COMMAND} run by_hand.py --kernel {kernel} --seed {session.seed}"
        return text(session.scenario, session.parameters, session.hand, command)

    def file(self, name: str) -> bytes:
        """A file of the run, once it is over."""
        run_dir = self.session.run_dir
        if self.session.result is None or run_dir is None:
            raise BadInput("the session is not over yet")
        return downloaded(run_dir, name)


class Looking:
    """A run that is over."""

    def __init__(self, run: RunDirectory, speed: float) -> None:
        story = read(run)
        if story.topology is None:
            raise BadInput(
                f"the network of {run.path} is not known here: its scenario is in a file of your own, or of another version"
            )
        self._story = story
        self._source = FinishedRun(story)
        self.stage = Stage(self._source, speed=speed, word=self._word)
        manifest = story.manifest
        notes = [
            f"Linux {manifest.kernel.version if manifest else 'unknown'}",
            f"a run that is over, {run.path.name}",
            *story.missing,
        ]
        self.about = About(
            title=story.scenario,
            note=guarded.printable(", ".join(notes)),
            acts=False,
            scenario=bool(manifest and manifest.hand),
            paced=True,
            drawing=draw(story.topology, story.plan),
        )

    @property
    def end_s(self) -> float:
        """When the run ended."""
        return self._source.over_s

    def _word(self) -> str:
        judgement = self._story.judgement
        if judgement is None:
            return "invalid: the run has no verdict"
        return guarded.printable(f"{judgement.verdict}: {'; '.join(judgement.reasons)}")

    def act(self, act: AnyAct) -> float:
        """Nothing can be done."""
        return self._source.act(act)

    def end(self) -> None:
        """It has ended."""

    def go_to(self, time_s: float) -> None:
        """Show another time."""
        self._source.rewind()
        self.stage.go_to(min(time_s, self.end_s))

    def scenario(self) -> str:
        """The run as a scenario, where it was played by hand."""
        manifest = verified.manifest(self._story.run)
        scenario = known(manifest.scenario, manifest.file, manifest.topology)
        if manifest.hand is None or scenario is None:
            raise BadInput("this run was not played by hand; its scenario is the file that it was made from")
        command = f"{COMMAND} run by_hand.py --seed {manifest.seed}"
        return text(scenario, scenario.checked(manifest.parameters), manifest.hand, command)

    def file(self, name: str) -> bytes:
        """A file of the run."""
        return downloaded(self._story.run.path, name)


def downloaded(run_dir: Path, name: str) -> bytes:
    """A file of a run that may be downloaded."""
    if name not in _DOWNLOADS:
        raise BadInput(f"there is no {name} to download")
    try:
        return guarded.read(run_dir, name, guarded.FILE_LIMIT)
    except FileNotFoundError:
        raise BadInput(f"the run has no {name}") from None
