"""A network namespace that lives as long as a descriptor.

Nothing names it: no file under /var/run/netns, no mount. When the last process that holds the descriptor or stands in
the namespace is gone, so is the namespace with all its NICs, however that process ended.
"""

import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from roamlab.linux.errors import MissingKernelOption, NetworkError
from roamlab.linux.libc import CLONE_NEWNET, check, libc
from roamlab.linux.netlink import Rtnl

_OWN: Final = "/proc/thread-self/ns/net"
_OPTION_OF: Final = {"sctp": "CONFIG_IP_SCTP", "ipv6": "CONFIG_IPV6", "mptcp": "CONFIG_MPTCP"}


def enter(fd: int) -> None:
    """Move the calling thread into the network namespace that `fd` stands for, for good.

    Fit for the child of a fork, between fork and exec.

    Raises:
        OSError: no permission, or no such namespace.

    """
    check(libc.setns(fd, CLONE_NEWNET), "setns")


class Namespace:
    """A network namespace, its rtnetlink socket and its socket for ioctl."""

    def __init__(self, fd: int) -> None:
        """Take over `fd`, a descriptor of the namespace that the calling thread stands in."""
        self.fd = fd
        self.rtnl = Rtnl()
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    @classmethod
    def current(cls) -> "Namespace":
        """The namespace that the calling thread stands in."""
        return cls(os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC))

    @classmethod
    def new(cls, sysctls: Mapping[str, object]) -> "Namespace":
        """A fresh namespace with `sysctls` set; the calling thread stays where it is.

        Raises:
            PermissionError: the caller may not make network namespaces.
            MissingKernelOption: a sysctl is of a protocol that this kernel lacks.

        """
        before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            check(libc.unshare(CLONE_NEWNET), "unshare a network namespace")
            try:
                namespace = cls.current()
                _write_sysctls(sysctls)
            finally:
                enter(before)
        finally:
            os.close(before)
        return namespace

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Stand in the namespace for a while, with this thread alone.

        Sockets made inside stay in the namespace for ever; /proc/sys/net shows its values.
        """
        before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(self.fd)
            try:
                yield
            finally:
                enter(before)
        finally:
            os.close(before)

    def sysctl(self, values: Mapping[str, object]) -> None:
        """Set values under /proc/sys, by name: "net.ipv4.ip_forward" is one.

        Raises:
            MissingKernelOption: the protocol is missing in this kernel.
            NetworkError: no such sysctl, or the kernel refuses the value.

        """
        with self.entered():
            _write_sysctls(values)

    def read_sysctl(self, name: str) -> str:
        """The value of a sysctl, as sysctl(8) prints it."""
        with self.entered():
            return Path(_sysctl_path(name)).read_text().strip()

    def ioctl(self, request: int, argument: bytearray) -> None:
        """A NIC ioctl in the namespace (netdevice(7)); the answer is written into `argument`."""
        fcntl.ioctl(self._control, request, argument, True)

    def close(self) -> None:
        """Let go of the namespace."""
        self.rtnl.close()
        self._control.close()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _sysctl_path(name: str) -> str:
    return "/proc/sys/" + name.replace(".", "/")


def _write_sysctls(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        try:
            fd = os.open(_sysctl_path(name), os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, str(value).encode())
            finally:
                os.close(fd)
        except FileNotFoundError:
            protocol = name.split(".")[1]
            if protocol in _OPTION_OF and not Path("/proc/sys/net", protocol).exists():
                raise MissingKernelOption(_OPTION_OF[protocol], f"set {name}") from None
            raise NetworkError(f"set {name}: this kernel has no such sysctl") from None
        except OSError as error:
            raise NetworkError(f"set {name} to {value!r}: {error.strerror}") from error
