"""What `./lab exec` is to do, and the files in which its run directory keeps what the command said."""

from __future__ import annotations

from typing import Final

import msgspec

COMMAND: Final = "command.json"
STDIN: Final = "stdin"
STDOUT: Final = "stdout"
STDERR: Final = "stderr"
SAID: Final = "roamlab: said "
"""Begins the line that the inside prints when it has written to one of the two files: `roamlab: said stdout 4096`."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command for a fresh guest.

    argv      the program, by path or by a name to be looked up in the guest's PATH, and its arguments
    cwd       where it starts, an absolute path
    env       what it finds in its environment besides PATH, HOME and the like
    topology  the network that it stands in, by name; empty for a machine with a loopback NIC and nothing else
    node      the node of the topology that it runs on; empty for the mobile node, or the first where there is none
    own       directories to be seen as they are although they lie below /tmp or the like
    written   directories that it really writes
    terminal  whether it has the caller's terminal, instead of files and pipes
    """

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str] = {}
    topology: str = ""
    node: str = ""
    own: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    terminal: bool = False
