"""Work for the processors that is none of ours, to show that a run's bits don't depend on how busy the machine is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Each loop ends by itself when we are gone, however we ended.
_LOOP: Final = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(20000))"


@contextmanager
def busy(loops: int) -> Iterator[tuple[int, ...]]:
    """Keep ``loops`` processes busy while the block runs; gives their process ids."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(loops):
            command = [sys.executable, "-I", "-S", "-c", _LOOP, str(os.getpid())]
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        yield tuple(process.pid for process in started)
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
