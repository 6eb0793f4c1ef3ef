"""A crowd of mobile nodes in one guest, all moving at once, and what bench says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels, select
from roamlab.protocols import payload
from roamlab.protocols.payload import Kind, Message
from roamlab.protocols.pcapng import Direction, Writer
from roamlab.protocols.sctp import packet as sctp
from roamlab.protocols.sctp.chunks import Data
from roamlab.repeat import scale
from roamlab.repeat.bench import Figure, run_by_step

needs_kernel = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)


def names(figures: list[Figure]) -> set[str]:
    return {figure.name for figure in figures}


@needs_kernel
def test_every_node_of_a_crowd_keeps_its_association_while_all_move_at_once(
    tmp_path: Path, more_captures: list[Path]
) -> None:
    figures, total, memory = scale.run(select("uml"), 7, tmp_path)
    assert {"network", "associations", "move", "judge", "command to verdict"} <= names(figures)
    assert total > 0
    assert memory > 0
    crowd = scale.judge(tmp_path / "capture.pcapng", 7)
    assert (crowd.survived, crowd.moved) == (7, 7)
    more_captures.append(tmp_path / "capture.pcapng")


@needs_kernel
def test_a_run_is_measured_by_step(tmp_path: Path) -> None:
    figures = run_by_step("control", {}, select("uml"), tmp_path)
    steps = ["boot", "imports", "network", "agents", "scenario", "collect", "judge"]
    assert [figure.name for figure in figures][: len(steps)] == steps
    total = next(figure.value for figure in figures if figure.name == "all steps")
    assert sum(figure.value for figure in figures[: len(steps)]) == pytest.approx(total, rel=0.01)


def capture(path: Path, sources: list[str], tags: list[int], count: int) -> Path:
    """A correspondent's capture of one session without an INIT: messages from these sources under these tags."""
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw

    with path.open("wb") as file:
        writer = Writer(file)
        nic = writer.interface("cn.eth0")
        for number in range(count):
            message = Message(Kind.DATA, payload.Direction.UP, 0, number, 0).encode()
            raw = sctp.Packet(
                5000, 5001, tags[number % len(tags)], (Data(number, 0, 0, 0, message, flags=3),)
            )
            source = sources[number * len(sources) // count]
            frame = bytes(Ether() / IPv6(src=source, dst="2001:db8:4::a", nh=132) / Raw(raw.encode()))
            writer.packet(nic, number, frame, direction=Direction.IN)
    return path


def test_messages_of_an_association_that_was_never_set_up_are_no_survival(tmp_path: Path) -> None:
    path = capture(tmp_path / "c.pcapng", ["2001:db8:c000::a", "2001:db8:c001::a"], [7], scale.MESSAGES)
    assert scale.judge(path, 1) == scale.Crowd(1, survived=0, moved=1)


def test_a_node_that_never_sent_from_its_new_address_has_not_moved(tmp_path: Path) -> None:
    path = capture(tmp_path / "c.pcapng", ["2001:db8:c000::a"], [7], scale.MESSAGES)
    assert scale.judge(path, 1).moved == 0
