"""The course: which labs there are, what each asks for, and how its checks are written (``checks.toml``)."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from roamlab.errors import BadInput
from roamlab.registry import nearest
from roamlab.where import PACKAGE

COURSE: Final = PACKAGE / "course"
"""A folder for each lab; solutions are in ``COURSE/solutions``, with what teachers read."""
_CHECKS: Final = "checks.toml"
_FOR_STUDENTS: Final = ("handout.md", "starter")
_SEGMENTS: Final = {
    "home": "192.0.2.10",
    "visited": "198.51.100.10",
    "correspondent": "203.0.113.10",
    "attacker": "198.51.100.65",
}
"""The addresses that signs may name."""

What = Literal[
    "verdict",
    "outage_up",
    "outage_down",
    "lost_up",
    "lost_down",
    "time",
    "count",
    "value",
    "values",
    "measure",
]


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an answer must be: a figure of a run, or of its packets that fit ``filter``.

    time      of the first packet (s)
    count     how many packets there are
    value     what ``field`` is in the first packet; any of them, where it has several
    values    how many different values ``field`` has in the first packet
    measure   the run's measure that ``field`` names, with its unit (`Measure.key`)
    """

    run: str
    what: What
    filter: str = ""
    field: str = ""


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One point of a lab: all that it names must hold.

    signs      what the run shows, in order (`roamlab.query.signs`); ``at`` is the time (s) of the first one, to 10 ms
    near       the same, where it takes up to 0.2 s until that sign is seen (it travels)
    quiet      words that no packet of the run fits
    verdict    of the run
    up_s, down_s, lost   the longest outage towards each end, and messages lost in all, at most
    most       steps of the plan by verb, at most
    answer     a key of ``answers.toml``, which must be ``value``, numbers ``within`` so much; or this ``word``
    cell       a move, whose line in the page of results must be what ``session`` comes to in it; where ``session`` is
               ``each`` in the file, there is such a point for each kind of session that a matrix has
    """

    name: str
    worth: Annotated[int, Meta(ge=1)]
    hint: str
    run: str = "own"
    signs: tuple[str, ...] = ()
    at: str = ""
    near: str = ""
    quiet: str = ""
    verdict: str = ""
    up_s: str = ""
    down_s: str = ""
    lost: int | None = None
    most: dict[str, int] = {}
    answer: str = ""
    value: Value | None = None
    within: float = 0.0
    word: str = ""
    session: str = ""
    cell: str = ""


class Played(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of the lab's own, of one of roamlab's scenarios or one in the lab's folder (``starter/move.py``).

    With ``patched`` it is played on a kernel with the patch that was handed in.
    """

    scenario: str
    set: dict[str, str] = {}
    patched: bool = False


class Lab(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lab's checks.

    hand_in     the files that a student hands in
    plan        the one of them that is a scenario or, where ``policy`` is set, a policy; none where only answers are asked for
    allowed     the verbs that its plan may have, and what may be set before its session (`roamlab.labs.steps.Setup`)
    plays       the scenario of `roamlab.labs.stage` that plays its plan
    patch       the one of the files that is a patch for the kernel
    page        the one of them that is a page with tables of results
    stage       parameters of `roamlab.labs.stage` for the run ``own``
    parameters  the values of which each student gets one, by name
    runs        the lab's own runs, by name
    score       whether hand-ins are ranked: by the longest outages (s), both ways added, and 0.1 for each ``prefer``
    """

    number: int
    title: str
    hand_in: tuple[str, ...]
    points: tuple[Point, ...]
    parameters: dict[str, tuple[float | str, ...]]
    plan: str = ""
    plays: str = "hand-in"
    patch: str = ""
    page: str = ""
    policy: bool = False
    allowed: tuple[str, ...] = ()
    stage: dict[str, str] = {}
    runs: dict[str, Played] = {}
    score: bool = False

    @property
    def worth(self) -> int:
        """Points in all."""
        return sum(point.worth for point in self.points)


def labs() -> dict[str, Path]:
    """The labs' folders by their names, in order."""
    return {path.parent.name: path.parent for path in sorted(COURSE.glob(f"*/{_CHECKS}"))}


def find(name: str) -> Path:
    """A lab's folder by its number or name. Raises BadInput where there is none."""
    known = labs()
    for folder, path in known.items():
        if name in (folder, folder.partition("-")[0], folder.partition("-")[0].lstrip("0")):
            return path
    raise BadInput(f"there is no lab {name!r}{nearest(name, known)}; there are {', '.join(known)}")


def read(folder: Path) -> Lab:
    """A lab's checks. Raises BadInput where they are wrong."""
    try:
        lab = msgspec.toml.decode((folder / _CHECKS).read_bytes(), type=Lab)
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise BadInput(f"{folder / _CHECKS}: {error}") from None
    points = tuple(point for written in lab.points for point in _for_each_session(written))
    return msgspec.structs.replace(lab, points=points)


def _for_each_session(point: Point) -> list[Point]:
    """A point as it is, or one for each kind of session that a matrix has."""
    if point.session != "each":
        return [point]
    from roamlab.repeat.moves import sessions  # for the labs that compare them

    return [
        msgspec.structs.replace(point, name=point.name.replace("{session}", session), session=session)
        for session in sessions()
    ]


def personal(lab: Lab, student: str, salt: str = "") -> dict[str, str]:
    """The values that a student has in a lab, and the addresses that its checks name. Each follows from the name alone.

    ``salt`` is a word of the teacher's, which changes everybody's values.
    """
    values = dict(_SEGMENTS)
    for name, choices in lab.parameters.items():
        seed = "\0".join((salt, student.strip().casefold(), str(lab.number), name)).encode()
        chosen = choices[int.from_bytes(hashlib.sha256(seed).digest()[:8], "big") % len(choices)]
        values[name] = chosen if isinstance(chosen, str) else f"{chosen:g}"
    return values


def own_values(lab: Lab, values: Mapping[str, str]) -> dict[str, str]:
    """Those of a student's values that belong to the student, the addresses left out."""
    return {name: values[name] for name in lab.parameters}


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text of the checks with a student's values in it. Raises BadInput for a name that there is not."""
    try:
        return text.format_map(values)
    except (KeyError, ValueError, IndexError) as error:
        raise BadInput(f"the checks name {error} in {text!r}, which no student has") from None


def hand_out(target: Path) -> list[Path]:
    """Copy what students get of each lab into a new directory: no checks, no solutions, no teacher's notes.

    Raises BadInput where the directory is there already.
    """
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise BadInput(f"{target} is there already; name a new directory") from None
    except OSError as error:
        raise BadInput(f"cannot make {target}: {error.strerror}") from None
    made = []
    for name, folder in labs().items():
        for part in _FOR_STUDENTS:
            source, copy = folder / part, target / name / part
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_file():
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(source, copy)
        made.append(target / name)
    return made
