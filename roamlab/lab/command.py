"""The inside of `./lab exec`: a root of the command's own, a network where it asked for one, and the command.

`python -m roamlab.lab.command RUN_DIR`, in a guest. Its exit status is the command's.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

import msgspec

from roamlab.errors import BadInput, LabError
from roamlab.lab.surroundings import come_of_age, environment, files
from roamlab.linux import private_root
from roamlab.linux.libc import be_scheduled_as_any_other
from roamlab.linux.namespace import enter
from roamlab.record.command import COMMAND, SAID, STDERR, STDIN, STDOUT, Command
from roamlab.record.run_directory import CAPTURE

_PIECE: Final = 1 << 16
_HOSTNAME: Final = "roamlab"
_NOT_FOUND, _NOT_RUN = 127, 126  # as of a shell


def main(run_dir: Path) -> int:
    """Run the command that stands in a run directory; the exit status, 128 + N where signal N ended it."""
    try:
        command = msgspec.json.decode((run_dir / COMMAND).read_bytes(), type=Command)
        come_of_age()
        with _network(command, run_dir) as (namespace, hostname, hosts):
            root = private_root.make(
                Path(tempfile.mkdtemp(dir="/run")),
                files(hostname, hosts),
                own=[Path(path) for path in command.own],
                written=[Path(path) for path in command.written],
            )
            print("roamlab: step command", flush=True)
            return _run(command, run_dir, root, namespace)
    except LabError as error:
        print(f"roamlab: failed: {error}", flush=True)
        return error.status
    except Exception as error:
        traceback.print_exc()
        print(f"roamlab: failed: {type(error).__name__}: {error}", flush=True)
        return LabError.status


@contextmanager
def _network(command: Command, run_dir: Path) -> Iterator[tuple[int, str, dict[str, str]]]:
    """The network that a command stands in: its node's namespace (-1: the guest's own), name, and everybody's addresses."""
    if not command.topology:
        yield -1, _HOSTNAME, {}
        return
    from roamlab.lab.clock import SystemClock
    from roamlab.lab.names import addresses_of
    from roamlab.lab.settling import begin
    from roamlab.network.net import Mininet
    from roamlab.topologies import TOPOLOGIES

    begin(SystemClock())
    topology = TOPOLOGIES[command.topology]()
    with Mininet(topo=topology) as net:
        net.start()
        names = [host.name for host in net.hosts]
        node = command.node or getattr(topology, "mobile", names[0])
        if node not in names:
            raise BadInput(f"{command.topology} has no node {node!r}; it has {', '.join(names)}")
        net.capture_to(run_dir / CAPTURE)
        yield net[node].namespace.fd, node, addresses_of(net)
        report = net.stop_capture()
        if report and report.error:
            raise LabError(f"the capture is not whole: {report.error}")


def _run(command: Command, run_dir: Path, root: Path, namespace: int) -> int:
    """Start the command, carry what it says to the run directory, and wait for it."""
    if command.terminal:
        child = os.fork()
        if child == 0:
            _become(command, root, namespace, ())
        return _status(child)
    ends = {name: os.pipe() for name in (STDOUT, STDERR)}
    child = os.fork()
    if child == 0:
        stdin = os.open(run_dir / STDIN, os.O_RDONLY)
        _become(command, root, namespace, (stdin, ends[STDOUT][1], ends[STDERR][1]))
    for _, writing in ends.values():
        os.close(writing)
    with (run_dir / STDOUT).open("wb", buffering=0) as out, (run_dir / STDERR).open("wb", buffering=0) as err:
        _listen(child, {ends[STDOUT][0]: (STDOUT, out), ends[STDERR][0]: (STDERR, err)})
    return _status(child)


def _listen(child: int, streams: dict[int, tuple[str, BinaryIO]]) -> None:
    """Copy streams until the child has ended; what children of its own write afterwards nobody waits for."""
    ended = os.pidfd_open(child)
    poll = select.poll()
    for fd in (ended, *streams):
        poll.register(fd, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poll.poll()]
        for fd in [fd for fd in streams if fd in ready]:
            name, file = streams[fd]
            if data := os.read(fd, _PIECE):
                file.write(data)
                print(f"{SAID}{name} {len(data)}", flush=True)
            else:
                poll.unregister(fd)
        if ready == [ended]:
            os.close(ended)
            return


def _status(child: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _become(command: Command, root: Path, namespace: int, standard: tuple[int, ...]) -> NoReturn:
    """Become the command; never returns."""
    status = LabError.status
    try:
        be_scheduled_as_any_other()
        for number, fd in enumerate(standard):
            os.dup2(fd, number)
        if namespace >= 0:
            enter(namespace)
        private_root.enter(root)
        if standard:
            os.setsid()
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        for number in (
            signal.SIGPIPE,
            signal.SIGINT,
            signal.SIGXFSZ,
        ):  # Python ignores some, programs expect none to be
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        os.chdir(command.cwd)
        env = environment({"TERM": os.environ.get("TERM", "dumb"), **command.env})
        os.execvpe(command.argv[0], command.argv, env)  # noqa: S606
    except FileNotFoundError as error:
        status = _NOT_FOUND
        missing = error.filename if error.filename == command.cwd else command.argv[0]
        os.write(2, f"lab: there is no {missing} inside\n".encode())
    except OSError as error:
        status = _NOT_RUN
        os.write(2, f"lab: cannot run {command.argv[0]}: {error}\n".encode())
    except BaseException:  # the last frame of a process
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    end = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(end)
