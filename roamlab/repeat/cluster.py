"""The same cells on other machines: a Dask cluster as an executor.

Each worker machine needs this repository at the same commit, its packages with requirements-sweep.lock, and the same lab kernel
in its cache; a run directory stays on the machine that made it (docs/virtual-time.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Final, cast

from roamlab.errors import LabError

_CONNECT_S: Final = 10


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The cluster whose scheduler listens at ``address``, like tcp://127.0.0.1:8786. Raises LabError when none does."""
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise LabError(f"no Dask scheduler answers at {address}: {error}") from None
    with client, client.get_executor(pure=False, retries=0) as executor:
        try:
            yield cast("Executor", executor)
        except BaseException:
            executor.shutdown(wait=False)  # cancels what has not begun
            raise
