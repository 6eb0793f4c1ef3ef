"""Commands in nodes, and the command line."""

import io
import os
import signal
from pathlib import Path

import pytest
from mininet.log import lg

from roamlab.network.cli import CLI
from tests.netns.conftest import reaches, until

pytestmark = pytest.mark.timeout(60)  # Mininet waits for a shell's output without end


def test_shell_starts_on_first_use_in_the_hosts_namespace(net):
    assert net["mn"].shell is None
    assert "wlan0" in net["mn"].cmd("ip -o link")
    assert net["mn"].shell is not None
    assert net["cn"].shell is None


def test_switch_runs_commands_in_the_labs_own_namespace(net):
    assert "home-eth1" in net["home"].cmd("ip -o link")


def test_popen_runs_in_the_hosts_namespace(net):
    out, err, status = net["mn"].pexec("ip", "-o", "link")
    assert "wlan0" in out
    assert (err, status) == ("", 0)


def interrupt_once_asleep(node):
    """Interrupt the node's `sleep` once it runs; a shell that is about to start it may lose the signal, and wait for ever."""
    children = Path(f"/proc/{node.shell.pid}/task/{node.shell.pid}/children")
    assert until(lambda: any(comm(pid) == "sleep" for pid in children.read_text().split()))
    node.sendInt()
    node.waitOutput()


def comm(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_interrupt_ends_a_command(net):
    net["mn"].sendCmd("sleep 1000")
    interrupt_once_asleep(net["mn"])
    assert not net["mn"].waiting


def test_interrupt_ends_a_command_of_a_lab_that_ignores_it(net):
    """As one does that was started in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        net["mn"].sendCmd("sleep 1000")
    finally:
        signal.signal(signal.SIGINT, before)
    interrupt_once_asleep(net["mn"])
    assert not net["mn"].waiting


def test_pid_of_a_command_is_told_when_asked_for(net):
    net["mn"].sendCmd("sleep 1000", printPid=True)
    while net["mn"].lastPid is None:
        net["mn"].monitor()
    assert until(lambda: comm(net["mn"].lastPid) == "sleep")
    interrupt_once_asleep(net["mn"])


def test_command_line_runs_its_lines_and_names_what_it_refuses(net, monkeypatch):
    read, write = os.pipe()
    os.write(write, b"mn echo from-mn\nmove mn wlan0 nowhere\nmove mn wlan0 visited\nlinks\nexit\n")
    os.close(write)
    said = io.StringIO()
    monkeypatch.setattr(lg.handlers[0], "stream", said)
    with os.fdopen(read) as stdin:
        CLI(net, stdin=stdin)
    assert "from-mn" in said.getvalue()
    assert "no node nowhere" in said.getvalue()
    assert "wlan0<->visited-eth2 (OK OK)" in said.getvalue()


def test_words_of_the_command_line_move_a_nic(net):
    line = "mn wlan0 visited 198.51.100.10/25 via 198.51.100.1"
    script = CLI.__new__(CLI)
    script.mn = net
    script.do_move(line)
    assert reaches(net["mn"], "198.51.100.10", net["cn"], "203.0.113.10")


def test_words_of_the_command_line_attach_and_detach_a_nic(net):
    script = CLI.__new__(CLI)
    script.mn = net
    script.do_attach("mn wlan1 visited 198.51.100.10/25 via 198.51.100.1")
    assert reaches(net["mn"], "198.51.100.10", net["cn"], "203.0.113.10")
    script.do_detach("mn wlan1")
    assert [nic.name for nic in net["mn"].intfList()] == ["wlan0"]
