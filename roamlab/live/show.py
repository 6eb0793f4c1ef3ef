"""The two shows: a session that a person plays, and a run that is over."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from roamlab.errors import BadInput
from roamlab.live.app import About
from roamlab.live.drawing import draw
from roamlab.live.scenario_file import text
from roamlab.live.session import LiveSession
from roamlab.live.stage import Stage
from roamlab.record import guarded
from roamlab.record.hand import AnyAct
from roamlab.record.identity import kernel_name
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


def downloaded(run_dir: Path, name: str) -> bytes:
    """A file of a run that may be downloaded."""
    if name not in _DOWNLOADS:
        raise BadInput(f"there is no {name} to download")
    try:
        return guarded.read(run_dir, name, guarded.FILE_LIMIT)
    except FileNotFoundError:
        raise BadInput(f"the run has no {name}") from None
