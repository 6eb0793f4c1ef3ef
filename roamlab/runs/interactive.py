"""A topology to try things on by hand: Mininet's command line, in a kernel, outside and inside."""

from __future__ import annotations

import sys
import tempfile
from math import inf
from pathlib import Path

from roamlab import own_files
from roamlab.errors import LabError
from roamlab.kernels.job import Job, Kernel
from roamlab.runs.orchestrator import BASICS


def shell(topology: str, kernel: Kernel) -> int:
    """Open the command line on a topology; the exit status. Raises BadInput for a topology that does not exist."""
    reference = own_files.absolute(topology)
    built = own_files.topology(reference)
    with tempfile.TemporaryDirectory(prefix="roamlab-shell-") as scratch:
        argv = [sys.executable, "-m", "roamlab.runs.interactive", reference, scratch]
        if not sys.stdin.isatty():
            # What is piped in is a script: a command that runs must not swallow the lines behind its own.
            script = Path(scratch) / "commands"
            script.write_text(sys.stdin.read())
            argv.append(str(script))
        job = Job(
            argv=tuple(argv),
            run_dir=Path(scratch),
            seed=1,
            needs=BASICS | (kernel.abilities & {"sctp", "ipip", "gre"}),
            limit_s=inf,
            interactive=True,
            shown=own_files.folders_of(built),
        )
        outcome = kernel.execute(job, lambda _: None)
    if outcome.reason:
        raise LabError(f"{outcome.reason}")
    return outcome.status


def main(topology: str, scratch: str, script: str = "") -> int:
    """The inside: build the topology and talk to the user; agents' logs go to the directory ``scratch``."""
    from mininet.log import setLogLevel

    from roamlab.network.net import Mininet
    from roamlab.runs.by_hand import LabCli

    setLogLevel("info")
    built = own_files.topology(topology)()
    with Mininet(topo=built) as net:
        net.start()
        if script:
            with Path(script).open() as commands:
                LabCli(net, built, Path(scratch), commands)
        else:
            LabCli(net, built, Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
