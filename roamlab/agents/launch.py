"""Agents as processes: forked from the warm interpreter, moved into their host's network namespace.

Starting Python costs far more than a fork, inside User-Mode Linux above all; so the caller imports what agents need
(:func:`warm`) and each agent is a fork of it.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from roamlab.agents.agent import Agent
from roamlab.linux.libc import die_with_parent, exact_timers
from roamlab.linux.namespace import enter
from roamlab.linux.sockets import force_send_buffer

_REPORTS: Final = (
    16 << 20
)  # room for what an agent reports while nobody reads: it must not wait for its reader


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """A running agent: its process and the orchestrator's end of its control socket."""

    name: str
    pid: int
    control: socket.socket


def launch(
    make: Callable[[str, socket.socket], Agent],
    name: str,
    namespace: int,
    log: Path,
    *,
    keep: frozenset[int] = frozenset(),
) -> AgentProcess:
    """Fork an agent into the network namespace that the descriptor ``namespace`` refers to.

    What it writes to standard error, a traceback included, goes to ``log``. ``keep`` are descriptors it may inherit.
    """
    ours, theirs = socket.socketpair()
    with suppress(PermissionError):  # in a user namespace it stays what it is
        force_send_buffer(theirs, _REPORTS)
    gc.freeze()  # the collector leaves the pages shared with the parent alone
    pid = os.fork()
    if pid == 0:
        _become(make, name, namespace, log, theirs, keep)
    theirs.close()
    return AgentProcess(name, pid, ours)


def _become(
    make: Callable[[str, socket.socket], Agent],
    name: str,
    namespace: int,
    log: Path,
    control: socket.socket,
    keep: frozenset[int],
) -> NoReturn:
    status = 1
    try:
        die_with_parent(signal.SIGKILL)
        exact_timers()
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        enter(namespace)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = sys.stderr = os.fdopen(
            2, "w", closefd=False
        )  # the parent's may stand for something else
        wanted = {0, 1, 2, control.fileno(), *keep}
        for descriptor in [int(entry) for entry in os.listdir("/proc/self/fd")]:  # noqa: PTH208 - no Path a descriptor
            if descriptor not in wanted:
                try:
                    os.close(descriptor)
                except OSError:
                    continue  # the one that listed the directory
        agent = make(name, control)
        agent.directory = log.parent
        agent.run()
        status = 0
    except BrokenPipeError:
        status = 0  # the orchestrator went first
    except BaseException:  # the last frame of a process: what it died of belongs in its log
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
