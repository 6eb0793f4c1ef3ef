"""What every job finds around it, whatever kernel it runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from roamlab.kernels.job import Job, KernelError
from roamlab.kernels.terminal import at_terminal, window
from roamlab.where import ROOT

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(job: Job) -> dict[str, str]:
    """The whole environment of a job: nothing of this process' own gets in."""
    return {
        "PATH": SYSTEM_PATH,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "TERM": os.environ.get("TERM", "dumb") if job.interactive else "dumb",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *job.imports))),
        **({"PYTHONPYCACHEPREFIX": str(job.pycache)} if job.pycache else {}),
        "PYTHONHASHSEED": str(job.seed % 2**32),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def check_run_dir(run_dir: Path) -> None:
    """Raise KernelError for a run directory that can't be written."""
    if not run_dir.is_dir() or not os.access(run_dir, os.W_OK | os.X_OK):
        raise KernelError(f"the run directory {run_dir} is not a directory that we can write")


def records(job: Job, keep: Sequence[Path], more: Sequence[tuple[str, str]] = ()) -> bytes:
    """What the first process inside is told, as it reads it (see roamlab/kernels/inside/base.py)."""
    rows, columns = window()
    pairs = [
        ("run_dir", str(job.run_dir.resolve())),
        ("interactive", str(int(job.interactive))),
        ("terminal", str(int(job.interactive and at_terminal()))),
        ("window", f"{rows}x{columns}"),
        *(("keep", str(path)) for path in keep),
        *(("written", str(path)) for path in job.written),
        *(("arg", argument) for argument in job.argv),
        *(("env", f"{name}={value}") for name, value in environment(job).items()),
        *more,
    ]
    return b"".join(os.fsencode(text) + b"\0" for pair in pairs for text in pair)


@contextmanager
def in_memory(data: bytes) -> Iterator[int]:
    """Give a descriptor to a file in memory with data, to be read from its beginning."""
    fd = os.memfd_create("roamlab-job")
    with open(fd, "wb", buffering=0) as file:  # noqa: PTH123
        file.write(data)
        file.seek(0)
        yield fd
