"""Mininet's nodes without a process each: a host is a network namespace, a switch a kernel bridge in the network's own.

A node's shell starts when somebody asks for a command, and enters the namespace by itself; nothing of Mininet's
`mnexec` is needed.
"""

import fcntl
import os
import pty
import select
import shlex
import signal
import subprocess
import termios
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

import mininet.node
from mininet.util import isShellBuiltin

from roamlab.linux import routes, rtnetlink
from roamlab.linux.errors import NetworkError
from roamlab.linux.libc import be_scheduled_as_any_other, die_with_parent
from roamlab.linux.namespace import Namespace, enter
from roamlab.network.intf import Intf
from roamlab.network.network import LOOPBACK, Network

_FIRST: Final = 10  # priority of rules that come before those of NICs
_PROMPT: Final = chr(127)
_LOOPBACK_UP: Final = rtnetlink.set_link(LOOPBACK, up=True)  # the same for all hosts, so encoded once

# What a fresh host has set before its first NIC. Addresses are usable at once (RFC 4862, 5.4 is opted into, see
# Intf.configure), nothing is configured by router advertisements, and no filter drops what arrives on another NIC than
# the route back would use: the machine's own settings must not leak into an experiment.
HOST_SYSCTLS: Final[Mapping[str, object]] = {
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
}
FORWARD: Final[Mapping[str, object]] = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1}


class Node(mininet.node.Node):
    """A node of a network, in namespace `self.namespace`; `bridge` is the device index of a switch's bridge."""

    bridge: int | None = None

    def __init__(self, name: str, network: Network, namespace: Namespace, **params: Any) -> None:
        if params.get("privateDirs"):
            raise NetworkError(
                f"{name}: privateDirs need a mount namespace a node, which roamlab's nodes have not"
            )
        self.network = network
        self.namespace = namespace
        self.number = network.next_node()
        self.edge: dict[str, Any] = {}
        self._nics = 0
        self._defaults = 0
        self._made = False
        super().__init__(name, **params)
        self._made = True

    @classmethod
    def setup(cls) -> None:
        """Mininet looks for mnexec and ifconfig here; nothing of the kind is needed."""

    def newPort(self) -> int:  # noqa: N802 - Mininet's name
        """The next free port number."""
        port: int = super().newPort()
        return port

    def addIntf(self, intf: Intf, port: int | None = None, moveIntfFn: object = None) -> None:  # noqa: ARG002, N802, N803
        """Register a NIC, which is made in its namespace at once and never moved."""
        super().addIntf(intf, port=port, moveIntfFn=lambda *_: None)

    def next_default(self) -> int:
        """How many times a default route has been configured, this one included."""
        self._defaults += 1
        return self._defaults

    # Processes

    def startShell(self, mnopts: str | None = None) -> None:  # noqa: ARG002, N802
        """Start the node's shell; Mininet's constructor asks for it too early and is not heeded."""
        if not self._made:
            return
        self.master, self.slave = pty.openpty()
        self.shell = subprocess.Popen(
            ["bash", "--norc", "--noediting", "-is", f"mininet:{self.name}"],
            env={**os.environ, "PS1": _PROMPT},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=self._child(signal.SIGHUP, terminal=True),  # noqa: PLW1509 - nothing else enters
        )
        self.stdin = self.stdout = os.fdopen(self.master, "r")
        self.pid = self.shell.pid
        self.pollOut = select.poll()
        self.pollOut.register(self.stdout)
        self.outToNode[self.stdout.fileno()] = self.inToNode[self.stdin.fileno()] = self
        while not self.read(1024).endswith(_PROMPT):
            self.pollOut.poll()
        self.waiting = False
        self.cmd("unset HISTFILE; stty -echo; set +m")

    def _child(self, on_death: signal.Signals, *, terminal: bool = False) -> Callable[[], None]:
        """What a child does before exec: enter the namespace, and die with this process."""

        def prepare() -> None:
            enter(self.namespace.fd)
            die_with_parent(on_death)
            be_scheduled_as_any_other()
            if terminal:
                # Who was started in the background, or by nohup, ignores these, and all its children would.
                signal.signal(signal.SIGHUP, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                signal.signal(signal.SIGQUIT, signal.SIG_DFL)
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        return prepare

    def sendCmd(self, *args: Any, **kwargs: Any) -> None:  # noqa: N802
        """Send a command to the node's shell, which is started if there is none."""
        if self.shell is None:
            self.startShell()
        if kwargs.pop("printPid", False):
            words = args[0] if len(args) == 1 and isinstance(args[0], list) else args
            command = " ".join(str(word) for word in words)
            if not command.endswith("&") and not isShellBuiltin(command):
                # As `mnexec -p`: say the process's number, then become the command.
                command = "bash -c " + shlex.quote(f"printf '\\001%d\\012' $$; exec {command}")
            args = (command,)
        super().sendCmd(*args, **kwargs)

    def cmd(self, *args: Any, **kwargs: Any) -> str:
        """Run a command in the node's shell, which is started if there is none, and return its output."""
        if self.shell is None:
            self.startShell()
        output: str = super().cmd(*args, **kwargs)
        return output

    def popen(self, *args: Any, **kwargs: Any) -> "subprocess.Popen[Any]":
        """Start a process in the node, from a list of words, one string of words, or with `shell=True` a shell's line."""
        words = args[0] if len(args) == 1 else [str(word) for word in args]
        if kwargs.pop("shell", False):
            words = ["sh", "-c", words if isinstance(words, str) else " ".join(words)]
        elif isinstance(words, str):
            words = words.split()
        kwargs.pop("mncmd", None)
        options: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "start_new_session": True,
        }
        prepare = self._child(signal.SIGKILL)
        return subprocess.Popen(words, preexec_fn=prepare, **{**options, **kwargs})  # noqa: PLW1509

    # Configuration

    def sysctl(self, values: Mapping[str, object]) -> None:
        """Set sysctls in the node's namespace: {"net.ipv4.ip_forward": 1}.

        Raises:
            MissingKernelOption: the protocol is missing in this kernel.
            NetworkError: no such sysctl, or the kernel refuses the value.

        """
        self.namespace.sysctl(values)

    def config(
        self,
        mac: str | None = None,
        ip: str | None = None,
        defaultRoute: str | None = None,  # noqa: N803
        lo: str = "up",
        routes: Mapping[str, str] | None = None,
        **_params: Any,
    ) -> dict[str, Any]:
        """Configure the node: Mininet's parameters, and `routes`, a mapping of prefixes to gateways."""
        results: dict[str, Any] = {}
        with self.network.batch():
            self.namespace.rtnl.queue(_LOOPBACK_UP if lo == "up" else rtnetlink.set_link(LOOPBACK, up=False))
            self.setParam(results, "setMAC", mac=mac)
            self.setParam(results, "setIP", ip=ip)
            self.setParam(results, "setDefaultRoute", defaultRoute=defaultRoute)
            self.add_routes(routes or {})
        return results

    def add_routes(self, gateways: Mapping[str, str]) -> None:
        """Route prefixes through gateways, by prefix."""
        with self.network.batch():
            for prefix, gateway in gateways.items():
                self.namespace.rtnl.queue(routes.route(ip_network(prefix), via=ip_address(gateway)))

    def setDefaultRoute(self, intf: Intf | str | None = None) -> None:  # noqa: N802
        """Set the default route: a NIC, or words as ip-route(8) has them ("via 192.0.2.1", "dev h1-eth0")."""
        words = intf.split() if isinstance(intf, str) and " " in intf else ["dev", str(self.intf(intf))]
        options = dict(zip(words[::2], words[1::2], strict=True))
        if unknown := options.keys() - {"via", "dev"}:
            raise NetworkError(f"{self.name}: default route has unknown words: {', '.join(sorted(unknown))}")
        via = ip_address(options["via"]) if "via" in options else None
        everything = ip_network("::/0" if via is not None and via.version == 6 else "0.0.0.0/0")
        index = self.nameToIntf[options["dev"]].index if "dev" in options else None
        with self.network.batch():
            self.namespace.rtnl.queue(routes.route(everything, via=via, index=index))

    def setHostRoute(self, ip: str, intf: str) -> None:  # noqa: N802
        """Add a route to one address through a NIC."""
        with self.network.batch():
            self.namespace.rtnl.queue(routes.route(ip_network(ip), index=self.intf(intf).index))

    def drop(self, source: str, destination: str, *, on: bool = True) -> None:
        """Drop what comes from one prefix and goes to another instead of routing it; without ``on``, no longer."""
        with self.network.batch():
            rule = routes.rule_dropping(ip_network(source), ip_network(destination), _FIRST, on=on)
            self.namespace.rtnl.queue(rule)

    def setARP(self, ip: str, mac: str) -> None:  # noqa: N802
        """Add a permanent neighbour entry on the default NIC."""
        with self.network.batch():
            self.namespace.rtnl.queue(routes.neighbour(self.defaultIntf().index, ip_address(ip), mac))


class Host(Node):
    """A host in a namespace of its own.

    Args:
        forward: whether it is a router.
        sysctl: further sysctls, set before its first NIC is made.

    """

    def __init__(
        self,
        name: str,
        network: Network,
        *,
        forward: bool = False,
        sysctl: Mapping[str, object] | None = None,
        **params: Any,
    ) -> None:
        values = {**HOST_SYSCTLS, **(FORWARD if forward else {}), **(sysctl or {})}
        namespace = Namespace.new(values)
        network.join(namespace)
        super().__init__(name, network, namespace, **params)

    def next_mac(self) -> str:
        """The locally administered MAC address of the host's next NIC, from the numbers of both."""
        self._nics += 1
        node, nic = self.number, self._nics
        return f"02:00:{node >> 8 & 255:02x}:{node & 255:02x}:{nic >> 8 & 255:02x}:{nic & 255:02x}"

    def terminate(self) -> None:
        """End the host's shell and let go of its namespace."""
        super().terminate()
        if self.namespace.fd >= 0:
            self.network.leave(self.namespace)
            self.namespace.close()


class Switch(Node):
    """A segment: a kernel bridge in the network's own namespace.

    Args:
        edge: what the link of each NIC on this segment does to packets, as `roamlab.network.impairment` names it: delay, loss,
            bw, ..., with "up" and "down" (seen from the NIC) for what differs.

    """

    portBase = 1  # noqa: N815

    def __init__(
        self, name: str, network: Network, *, edge: Mapping[str, Any] | None = None, **params: Any
    ) -> None:
        if len(name) > 15:
            raise NetworkError(f"switch {name}: a bridge's name has 15 characters at most")
        super().__init__(name, network, network.namespace, **params)
        self.edge = dict(edge or {})
        self.bridge: int = network.next_index()
        with network.batch():
            network.namespace.rtnl.queue(
                rtnetlink.bridge(name=name, index=self.bridge, mac=network.inner_mac(self.bridge), hub=False)
            )

    def start(self, _controllers: object = ()) -> None:
        """Let the switch forward (it does from the beginning)."""
        with self.network.batch():
            self.namespace.rtnl.queue(rtnetlink.set_link(self.bridge, up=True))

    def stop(self, deleteIntfs: bool = True) -> None:  # noqa: ARG002, N803
        """Let the switch forward nothing."""
        with self.network.batch():
            self.namespace.rtnl.queue(rtnetlink.set_link(self.bridge, up=False, ignore_gone=True))

    def config(self, **_params: Any) -> dict[str, Any]:  # type: ignore[override] # Mininet's own habit
        """A bridge has nothing to configure."""
        return {}

    def connected(self) -> bool:
        """A bridge has no controller to wait for."""
        return True
