"""Mininet's command line, with the verbs for NICs in service."""

import sys
from typing import TextIO

import mininet.cli
from mininet.log import error, output

from roamlab.linux.errors import NetworkError
from roamlab.network.intf import Intf
from roamlab.network.net import Mininet
from roamlab.network.node import Node


class CLI(mininet.cli.CLI):
    """`node command`, `pingall`, `links`, `dump`, `net`, ... as Mininet has them, and attach, detach, move."""

    mn: Mininet

    def __init__(self, net: Mininet, stdin: TextIO = sys.stdin, script: str | None = None) -> None:
        """Read commands from a terminal, another file, or a script, until their end."""
        self.use_rawinput = stdin is sys.stdin
        super().__init__(net, stdin=stdin, script=script)

    @classmethod
    def initReadline(cls) -> None:  # noqa: N802
        """Edit lines, but leave no history file behind."""

    def waitForNode(self, node: Node) -> None:  # noqa: N802
        """Show a command's output; what is typed meanwhile goes to the command, what is piped in is the next line."""
        if self.isatty():
            super().waitForNode(node)
        else:
            output(node.waitOutput())

    def do_attach(self, line: str) -> None:
        """Add a NIC to a running node, on a segment.

        Usage: attach node nic segment [address/len ...] [via gateway ...]
        Say:   attach mn wlan1 visited 198.51.100.11/25 via 198.51.100.1
        """
        self._on_segment(line, new=True)

    def do_move(self, line: str) -> None:
        """Move a NIC to another segment; with addresses, these take the place of those it has.

        Usage: move node nic segment [address/len ...] [via gateway ...]
        Say:   move mn wlan0 visited 198.51.100.10/25 via 198.51.100.1
        """
        self._on_segment(line, new=False)

    def do_detach(self, line: str) -> None:
        """Remove a NIC from a running node.

        Usage: detach node nic
        """
        words = line.split()
        if len(words) != 2:
            error("usage: detach node nic\n")
            return
        try:
            self.mn.detach(self.mn.nic(*words))
        except NetworkError as problem:
            error(f"*** {problem}\n")

    def _on_segment(self, line: str, *, new: bool) -> None:
        words = line.split()
        if len(words) < 3:
            error(
                f"usage: {'attach' if new else 'move'} node nic segment [address/len ...] [via gateway ...]\n"
            )
            return
        node, name, segment, *rest = words
        cut = rest.index("via") if "via" in rest else len(rest)
        addresses, gateways = rest[:cut], rest[cut + 1 :]
        try:
            nic = self.mn.attach(node, name, segment) if new else self._move(node, name, segment)
            if addresses:
                nic.deconfigure()
                nic.configure(addresses, gateways)
        except (NetworkError, ValueError) as problem:
            error(f"*** {problem}\n")
            return
        output(f"{nic.full_name} is on {segment}: {' '.join(map(str, nic.addresses)) or 'no address'}\n")

    def _move(self, node: str, name: str, segment: str) -> Intf:
        nic = self.mn.nic(node, name)
        self.mn.move(nic, segment)
        return nic

    def do_xterm(self, _line: str, term: str = "xterm") -> None:
        """Not here: there is no display."""
        error(f"no {term} here; write `node command` instead\n")

    def do_x(self, line: str) -> None:
        """Not here: there is no display."""
        self.do_xterm(line, "x")
