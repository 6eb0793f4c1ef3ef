"""The scenarios of the demonstration in a guest: each comes to the verdict it announces, for the reasons it should."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import roamlab
from roamlab.judge.verdict import judge
from roamlab.kernels.choose import lab_kernels
from roamlab.protocols import pcapng
from roamlab.record import run_directory
from roamlab.record.event import encoder
from roamlab.record.events import DataReceived, RunStart
from roamlab.record.result import Judgement, Result
from roamlab.record.run_directory import RunDirectory
from roamlab.record.stimuli import Stimulus
from roamlab.runs.demonstration import PARTS, DemoRun

Play = Callable[..., Result]

pytestmark = [
    pytest.mark.skipif(
        shutil.which("linux.uml") is None, reason="needs linux.uml: apt-get install user-mode-linux"
    ),
    pytest.mark.timeout(300),
]
needs_lab_kernel = pytest.mark.skipif(not lab_kernels(), reason="needs a lab kernel: ./lab kernel")


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Play a scenario once a module, whoever asks for it."""
    runs = tmp_path_factory.mktemp("runs")
    played: dict[tuple[str, ...], Result] = {}

    def once(name: str, kernel: str = "uml", **settings: str) -> Result:
        key = (name, kernel, *map(str, sorted(settings.items())))
        if key not in played:
            played[key] = roamlab.run(name, kernel=kernel, runs=runs, **settings)
        return played[key]

    return once


def steps(judgement: Judgement) -> list[str]:
    return [link.step for link in judgement.chain]


@needs_lab_kernel
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_every_part_of_the_demonstration_comes_out_as_announced(play: Play, part: DemoRun) -> None:
    result = play(part.scenario, **part.settings)
    assert result.judgement.verdict == result.judgement.expected, result.judgement.reasons
    assert result.status == 0


@needs_lab_kernel
def test_nothing_is_lost_or_late_while_nothing_moves(play: Play) -> None:
    judgement = play("control").judgement
    assert (judgement.lost.up, judgement.lost.down) == (0, 0)
    assert (judgement.outage_s.up, judgement.outage_s.down) == (0.0, 0.0)


@needs_lab_kernel
def test_a_new_nic_costs_no_silence(play: Play) -> None:
    """Make before break (FIG. 7): no message is missing and none is late, in either direction."""
    judgement = play("fig07").judgement
    assert (judgement.outage_s.up, judgement.outage_s.down) == (0.0, 0.0)
    assert (judgement.lost.up, judgement.lost.down) == (0, 0)


@needs_lab_kernel
def test_a_new_nic_is_added_preferred_and_replaces_the_first(play: Play) -> None:
    texts = [link.text for link in play("fig07").judgement.chain if link.step == "ASCONF sent"]
    assert ["ADD " in texts[0], "SET PRIMARY " in texts[1], "DELETE " in texts[2]] == [True] * 3
    assert len(texts) == 3


@needs_lab_kernel
@pytest.mark.parametrize("family", ["4", "6"])
def test_a_roam_takes_no_less_than_its_bound(play: Play, family: str) -> None:
    """No run can beat physics: where one does, the bound or the measurement is wrong."""
    judgement = play("fig09", **({} if family == "4" else {"family": "6"})).judgement
    for outage, bound in (
        (judgement.outage_s.up, judgement.lower_bound_s.up),
        (judgement.outage_s.down, judgement.lower_bound_s.down),
    ):
        assert outage is not None
        assert bound is not None
        assert outage >= bound > 0


@needs_lab_kernel
def test_a_gap_lengthens_the_outage_by_itself(play: Play) -> None:
    """Virtual time is exact: two seconds without a link cost two seconds, to the timer's tick."""
    short, long = play("fig09").judgement, play("fig09", gap="2").judgement
    assert short.outage_s.up is not None
    assert long.outage_s.up == pytest.approx(short.outage_s.up + 2.0, abs=0.02)


@needs_lab_kernel
def test_the_regression_of_fig_9_is_in_the_chain_and_the_session_survives_it(play: Play) -> None:
    judgement = play("fig09").judgement
    acknowledgements = [link.text for link in judgement.chain if link.step == "ASCONF-ACK arrives"]
    assert "0x00a4" in acknowledgements[0]
    assert "all carried out" in acknowledgements[1]
    assert judgement.verdict == "survived"


@needs_lab_kernel
def test_through_the_socket_a_gap_of_seven_seconds_is_survived_and_by_the_kernel_alone_it_is_not(
    play: Play,
) -> None:
    """Findings 1 and 20: what was sent to the old address fills the receiver's buffer, unless that address is deleted."""
    assert play("fig09", gap="7").judgement.verdict == "survived"
    by_kernel = play("fig09-kernel", gap="7").judgement
    assert (by_kernel.verdict, by_kernel.lost.up, by_kernel.lost.down > 600) == ("broke", 0, True)


def test_the_roam_survives_on_the_kernel_without_the_regression(play: Play) -> None:
    """Debian's 6.1.176 accepts the kernel's own ASCONF, in real time, and nothing more is needed."""
    judgement = play("fig09-unmanaged", kernel="debian").judgement
    assert judgement.verdict == "survived", judgement.reasons
    acknowledgements = [link.text for link in judgement.chain if link.step == "ASCONF-ACK arrives"]
    assert len(acknowledgements) == 1
    assert "all carried out" in acknowledgements[0]


@needs_lab_kernel
def test_without_asconf_nothing_is_delivered_after_the_move(play: Play) -> None:
    judgement = play("fig09-fixed").judgement
    assert (judgement.outage_s.up, judgement.outage_s.down) == (None, None)
    assert not any("ASCONF" in step for step in steps(judgement))


@needs_lab_kernel
def test_reconnecting_needs_a_second_association(play: Play) -> None:
    judgement = play("fig06").judgement
    assert any("2 associations" in reason for reason in judgement.reasons)
    assert judgement.lost.up > 0


@needs_lab_kernel
def test_a_run_directory_is_complete(play: Play) -> None:
    run = RunDirectory.open(Path(play("fig09").run_dir))
    for name in (
        "plan.json",
        "manifest.json",
        "events.jsonl",
        "capture.pcapng",
        "verdict.json",
        "console.log",
    ):
        assert (run.path / name).is_file(), name
    assert run.read(run_directory.MANIFEST)["replay"].startswith("./lab run fig09 ")


class TestVerdictsAreDrawnFromTheEvidence:
    """The same run with a piece of evidence taken away or made up: never a pass."""

    pytestmark = needs_lab_kernel

    @pytest.fixture
    def run(self, play: Play, tmp_path: Path) -> RunDirectory:
        shutil.copytree(play("fig09").run_dir, tmp_path / "run")
        return RunDirectory.open(tmp_path / "run")

    @staticmethod
    def rewrite(run: RunDirectory, keep: Callable[[pcapng.Packet], bool]) -> None:
        """Leave those packets out of a capture that ``keep`` refuses."""
        captured = pcapng.read(run.path / run_directory.CAPTURE)
        with (run.path / run_directory.CAPTURE).open("wb", buffering=0) as file:
            writer = pcapng.Writer(file)
            numbers = {item.name: writer.interface(item.name) for item in captured.interfaces}
            for packet in captured.packets:
                if keep(packet):
                    number = numbers[packet.interface_name]
                    writer.packet(number, packet.time_ns, packet.data, direction=packet.direction)

    def test_judging_again_gives_the_same_verdict(self, run: RunDirectory, play: Play) -> None:
        assert judge(run) == play("fig09").judgement

    def test_a_capture_without_the_move_is_invalid(self, run: RunDirectory) -> None:
        moved = next(e for e in run.events() if isinstance(e, Stimulus)).t
        epoch = next(e for e in run.events() if isinstance(e, RunStart)).epoch_ns
        self.rewrite(run, lambda p: not (p.interface_name == "mn.wlan0" and p.time_ns - epoch > moved))
        judgement = judge(run)
        assert judgement.verdict == "invalid"

    def test_a_delivery_that_never_arrived_is_invalid(self, run: RunDirectory) -> None:
        last = [e for e in run.events() if isinstance(e, DataReceived)][-1]
        last.seq = 10**6
        with (run.path / run_directory.EVENTS).open("ab") as file:
            file.write(encoder().encode(last) + b"\n")
        judgement = judge(run)
        assert judgement.verdict == "invalid"
        assert any("did not arrive in the capture" in reason for reason in judgement.reasons)

    def test_a_message_that_was_not_delivered_breaks_the_session(self, run: RunDirectory) -> None:
        lines = (run.path / run_directory.EVENTS).read_bytes().splitlines(keepends=True)
        received = [line for line in lines if b'"data.received"' in line and b'"up"' in line]
        lines.remove(received[len(received) // 2])
        (run.path / run_directory.EVENTS).write_bytes(b"".join(lines))
        judgement = judge(run)
        assert judgement.verdict == "broke"
        assert judgement.lost.up == 1

    def test_a_capture_cut_off_is_invalid(self, run: RunDirectory) -> None:
        whole = (run.path / run_directory.CAPTURE).read_bytes()
        (run.path / run_directory.CAPTURE).write_bytes(whole[: len(whole) // 2 + 1])
        judgement = judge(run)
        assert judgement.verdict == "invalid"
        assert "truncated" in judgement.reasons[0]

    def test_a_capture_that_is_none_is_invalid(self, run: RunDirectory) -> None:
        (run.path / run_directory.CAPTURE).write_bytes(b"no capture at all")
        assert judge(run).verdict == "invalid"

    def test_a_run_that_did_not_end_is_invalid(self, run: RunDirectory) -> None:
        lines = (run.path / run_directory.EVENTS).read_bytes().splitlines(keepends=True)
        (run.path / run_directory.EVENTS).write_bytes(b"".join(lines[:-1]))
        judgement = judge(run)
        assert judgement.verdict == "invalid"
        assert "did not finish" in judgement.reasons[0]
