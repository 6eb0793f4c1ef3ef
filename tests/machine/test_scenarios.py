"""The scenarios on the kernels that Debian's users run: unmodified packages, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from roamlab.protocols import pcapng
from roamlab.record.identity import hashes
from roamlab.record.run_directory import CAPTURE
from roamlab.runs.demonstration import PARTS
from tests.machine.conftest import Player, Wanted, lacking

pytestmark = pytest.mark.timeout(1800)  # one may wait for all that were begun before it

_PARTS = [
    (part.scenario, tuple(f"{name}={value}" for name, value in part.settings.items())) for part in PARTS
]
_MORE = [
    ("fig01", ()),
    ("fig08", ()),
    ("fig09", ("way=rewriting",)),
    ("fig10", ()),
    ("ha-failure", ()),
    ("mip-move", ("transport=sctp",)),
    ("mip-move", ("transport=tcp",)),
    ("mip-move", ("transport=udp",)),
    ("move-one-nic", ("transport=quic",)),  # whose modules the other guests have not
]
_RUNS = [
    *(Wanted("debian-12", *what) for what in (*_PARTS, *_MORE)),
    *(Wanted(kernel, name) for kernel in ("debian-13", "debian-13-backports") for name in ("fig07", "fig09")),
]
_FIG09 = [Wanted(kernel, "fig09") for kernel in ("debian-12", "debian-13", "debian-13-backports")]
_CONTROL = Wanted("debian-12", "control")
_AGAIN = Wanted("debian-12", "control", again=1)
_OTHER = Wanted("debian-12", "control", seed=2)


def _skipped(run: Wanted) -> None:
    if reason := lacking(run.kernel):
        pytest.skip(reason)


@pytest.mark.parametrize("run", _RUNS, ids=str)
def test_each_comes_to_the_verdict_that_it_announces(play: Player, run: Wanted) -> None:
    _skipped(run)
    result = play(run)
    judgement = result.judgement
    assert (judgement.verdict, result.status) == (judgement.expected, 0), judgement.reasons
    assert result.kernel["kind"] == "machine"


@pytest.mark.parametrize("run", _FIG09, ids=str)
def test_figure_9_is_answered_as_every_kernel_of_debians_does(play: Player, run: Wanted) -> None:
    """Finding 1: the correspondent refuses to delete the address by which it found the association; the session survives."""
    _skipped(run)
    judgement = play(run).judgement
    refusals = [
        link.text for link in judgement.chain if link.step == "ASCONF-ACK sent" and "0x00a4" in link.text
    ]
    assert refusals
    assert "DELETE 192.0.2.10" in refusals[0]


@pytest.mark.parametrize(("run", "again", "other"), [(_CONTROL, _AGAIN, _OTHER)], ids=["control"])
def test_same_seed_same_bits_another_seed_others(
    play: Player, run: Wanted, again: Wanted, other: Wanted
) -> None:
    _skipped(run)
    one, two, three = (Path(play(wanted).run_dir) for wanted in (run, again, other))
    assert hashes(one) == hashes(two)
    assert len(pcapng.read(one / CAPTURE).packets) > 100
    assert hashes(one)[CAPTURE] != hashes(three)[CAPTURE]
