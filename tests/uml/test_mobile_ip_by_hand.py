"""Mobile IP on the command line: a person moves the node, and looks at the agents' tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.uml.mobile_ip_runs import needs_lab_kernel

pytestmark = needs_lab_kernel

ROOT = Path(__file__).parents[2]


def shell(*commands: str) -> str:
    """What the command line says to a script."""
    ended = subprocess.run(
        [Path(sys.executable).with_name("inv"), "shell", "HomeAndVisited"],
        cwd=ROOT,
        input="".join(f"{command}\n" for command in commands),
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


def test_bindings_and_visitors_follow_the_node_that_somebody_moves() -> None:
    said = shell(
        "mobileip lifetime=60",
        "mn sleep 2",
        "bindings",
        "move mn wlan0 visited",
        "mn sleep 2",
        "bindings",
        "visitors",
        "mn ping -c 1 203.0.113.10",
        "cn ping -c 1 192.0.2.10",
        "move mn wlan0 home",
        "mn sleep 2",
        "bindings",
    )
    before, away, after = said.index("ha: none"), said.index("58 s of 60 s"), said.rindex("ha: none")
    assert before < away < after
    assert "192.0.2.10    198.51.100.1" in said
    assert "192.0.2.10    192.0.2.1   02:00:00:" in said
    assert "fa2: none" in said
    assert said.count(" 0% packet loss") == 2


def test_what_is_asked_amiss_is_said_in_a_sentence() -> None:
    said = shell(
        "bindings", "mobileip lifetime=long", "mobileip nonsense=1", "mobileip", "mobileip lifetime=5"
    )
    assert "*** Mobile IP isn't running; start it with mobileip" in said
    assert "*** Expected `int`" in said
    assert "*** Mobile IP has no setting 'nonsense'" in said
    assert "*** Mobile IP is running already" in said
