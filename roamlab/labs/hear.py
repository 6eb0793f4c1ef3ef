"""Hear a hand-in: run the student's file in a guest of its own, and write down the plan that it comes to.

Runs as ``python -m roamlab.labs.hear RUN_DIRECTORY``. In that directory are ``request.json`` and, below ``hand-in``, copies of
the student's files; ``heard.json`` is what comes back. The student's code runs in a child, which sees an empty directory in
place of each that the request hides, and lacks the capability to take that away.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from roamlab import own_files
from roamlab.errors import BadInput, LabError
from roamlab.kernels.inside.base import libc, mount
from roamlab.lab.mobile_ip import Terms
from roamlab.lab.radio import walked
from roamlab.lab.rehearsal import Recorder, rehearse
from roamlab.lab.request_acts import Request
from roamlab.labs import steps as plans
from roamlab.protocols.mobility import Verb

REQUEST: Final = "request.json"
HEARD: Final = "heard.json"
HAND_IN: Final = "hand-in"
_MOST: Final = 1 << 20
_CAPSET_VERSION: Final = 0x20080522  # capset(2), version 3
_DAC_OVERRIDE: Final = 1 << 1
_BOUNDING_DROP, _NO_NEW_PRIVILEGES = 24, 38  # prctl(2)
_LAST_CAPABILITY: Final = 40


class Walk(msgspec.Struct, frozen=True):
    """The walk that a policy hears of: see `roamlab.lab.radio.walked`."""

    seed: int
    end_s: float
    speed: float
    apart: float


class Asking(msgspec.Struct, frozen=True):
    """What is to be heard: a file, as a scenario with ``parameters`` or, where there is a ``walk``, as a policy.

    ``hidden`` are directories that the code must not see.
    """

    file: str
    parameters: dict[str, str] = {}
    walk: Walk | None = None
    hidden: tuple[str, ...] = ()


class Heard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was heard: a plan, or a sentence that says what is wrong."""

    plan: plans.Steps | None = None
    problem: str = ""


def scenario_plan(file: Path, parameters: Mapping[str, str]) -> plans.Steps:
    """The plan of a scenario's file. Raises BadInput with the first mistake."""
    one = own_files.scenario(str(file))
    known = one.parameters()
    values = one.complete({name: text for name, text in parameters.items() if name in known})
    recorder = Recorder()
    rehearse(one, values, recorder=recorder)
    if len(recorder.sessions) != 1:
        raise BadInput(f"it sets up {len(recorder.sessions)} sessions; this lab wants one")
    session = recorder.sessions[0]
    steps = tuple(step for at, verb, given in recorder.acts if (step := _step(at, verb, given)) is not None)
    return plans.Steps(
        steps,
        session.announce.value,
        session.wishes.set_primary,
        session.wishes.delete,
        session.managed,
        _setup(recorder),
    )


def _setup(recorder: Recorder) -> plans.Setup:
    """What a scenario set before its session. Raises BadInput for what no lab has."""
    session, prepared = recorder.sessions[0], recorder.prepared
    attached, addresses = prepared.get("attach", ()), prepared.get("addresses", ())
    if any(node != session.mobile.name for node, _, _ in attached):
        raise BadInput("only the mobile node may be given further NICs")
    if any(node != session.correspondent.name for node, _ in addresses):
        raise BadInput("only the correspondent may be given further addresses")
    terms = prepared.get("mobile_ip")
    if terms is not None and terms != Terms(terms.care_of):
        raise BadInput("the labs' Mobile IP has no terms but care_of")
    plain = plans.Setup()
    try:
        return msgspec.convert(
            {
                "nics": [(nic, segment) for _, nic, segment in attached],
                "addresses": [number for _, number in addresses],
                "prefers": prepared.get("prefers", plain.prefers),
                "mobile_ip": terms.care_of if terms else plain.mobile_ip,
                "asconf": prepared.get("asconf", plain.asconf),
                "auth": prepared.get("auth", plain.auth),
                "called": session.called,
                "anywhere": session.anywhere,
                "transport": session.transport,
                "connect_at": prepared.get("until", plain.connect_at),
                "attacker": prepared.get("attacker", plain.attacker),
            },
            plans.Setup,
        )
    except msgspec.ValidationError as error:
        raise BadInput(f"the session's set-up is none of the labs': {error}") from None


def _step(at: float, verb: str, given: Mapping[str, Any]) -> plans.AnyStep | None:
    """A verb as a step; None for a stream and for a home agent that fails, which are the lab's own."""
    match verb:
        case "start" | "fail":
            return None
        case "attach":
            return plans.Attach(at, given["name"], given["to"].name)
        case "detach":
            return plans.Detach(at, given["nic"].name)
        case "move":
            return plans.Move(at, given["nic"].name, given["to"].name, given["gap"])
        case "set_primary":
            return plans.SetPrimary(at, given["on"].name)
        case "release":
            return plans.Release(at, given["address"])
        case "ask":
            return plans.Ask(at, _wanted(given["wanted"]))
        case "reconnect":
            return plans.Reconnect(at, given["over"], given["to"].name, given["pause"])
        case "forge":
            return plans.Forge(at, _wanted(given["wanted"]), given["source"], given["signing"])
        case "replay_cookie":
            return plans.ReplayCookie(at, given["source"])
    raise BadInput(f"lab.at({at:g}).{verb}(...) is no verb of the labs")


def _wanted(requests: Iterable[Request]) -> tuple[plans.Wanted, ...]:
    """Requests of an ASCONF. Raises BadInput for one of a type that the labs have not."""
    names = [(one.verb.name if isinstance(one.verb, Verb) else one.verb, one.address) for one in requests]
    try:
        return tuple(msgspec.convert({"verb": verb, "address": a}, plans.Wanted) for verb, a in names)
    except msgspec.ValidationError:
        raise BadInput("a request is ADD, SET_PRIMARY or DELETE, of an address") from None


def policy_plan(file: Path, walk: Walk) -> plans.Steps:
    """The plan that a policy comes to on a walk. Raises BadInput for a file without a Policy, or what is no decision."""
    space: dict[str, Any] = {"__name__": "policy"}
    exec(compile(file.read_bytes(), file.name, "exec"), space)  # noqa: S102 - this is what the guest is for
    if not isinstance(space.get("Policy"), type):
        raise BadInput(f"{file.name} has no class Policy")
    policy, steps = space["Policy"](), []
    kinds: dict[str, Callable[[float, str], plans.AnyStep]] = {
        "attach": lambda at, nic: plans.Attach(at, nic, "visited"),
        "prefer": plans.Prefer,
        "remove": plans.Remove,
    }
    heard = walked(
        ["wlan0", "wlan1"], seed=walk.seed, start_s=2.0, end_s=walk.end_s, speed=walk.speed, apart=walk.apart
    )
    there = {"wlan0"}
    for sample in heard:
        for verb, nic in policy.heard(sample.time_s, dict(sample.levels)) or ():
            if verb not in kinds or nic not in ("wlan0", "wlan1"):
                raise BadInput(f"{verb!r} {nic!r} at {sample.time_s:g} s is no decision of a policy")
            if (nic in there) == (verb == "attach"):
                state = "is attached already" if nic in there else "is not attached"
                raise BadInput(f"the policy wants to {verb} {nic} at {sample.time_s:g} s, which {state}")
            if verb == "attach":
                there.add(nic)
            steps.append(kinds[verb](sample.time_s, nic))
    return plans.Steps(tuple(steps), set_primary=False, delete=False)


def hear(asking: Asking, folder: Path) -> Heard:
    """Run a student's file, whatever it does."""
    try:
        file = folder / asking.file
        plan = policy_plan(file, asking.walk) if asking.walk else scenario_plan(file, asking.parameters)
        return Heard(plan)
    except LabError as error:
        return Heard(problem=str(error)[:500])
    except BaseException as error:  # a student's code may raise anything
        return Heard(problem=f"{type(error).__name__}: {error}"[:500])


def main(run_dir: Path) -> int:
    """Hear what the run directory asks for; the exit status is 0 unless this guest failed."""
    asking = msgspec.json.decode((run_dir / REQUEST).read_bytes(), type=Asking)
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    shutil.copytree(run_dir / HAND_IN, folder, dirs_exist_ok=True)
    print("roamlab: step hear", flush=True)
    with (run_dir / HEARD).open("wb") as out:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            os.close(out.fileno())
            _child(asking, folder, write)
        os.close(write)
        with open(read, "rb") as said:  # noqa: PTH123
            out.write(said.read(_MOST))
        os.waitpid(child, 0)
    return 0


def _child(asking: Asking, folder: Path, write: int) -> None:
    """The process of the student's code; never returns."""
    try:
        os.chdir(folder)
        for path in asking.hidden:
            if Path(path).is_dir():
                mount("none", path, "tmpfs")
        _give_up_powers()
        answer = msgspec.json.encode(hear(asking, folder))
        with open(write, "wb") as out:
            out.write(answer)
    finally:
        os._exit(0)


def _give_up_powers() -> None:
    """Keep the right to read what root reads, and no other."""
    for number in range(_LAST_CAPABILITY + 1):
        if number != 1:
            libc.prctl(_BOUNDING_DROP, number, 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPSET_VERSION, 0))
    kept = _DAC_OVERRIDE
    data = ctypes.create_string_buffer(struct.pack("6I", kept, kept, 0, 0, 0, 0))
    if libc.capset(header, data) or libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the student's process keeps root's powers")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
