"""What a program of the machine's finds around it on a node: names, environment, and a machine that is not a second old."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_AGE_S: Final = 10.0
PROGRAMS: Final = "overlay"
"""What a scenario with programs on its nodes needs of a kernel."""


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program: what a login of root's has, and ``more``."""
    return {
        "PATH": PATH,
        "HOME": "/root",
        "USER": "root",
        "LOGNAME": "root",
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        **more,
    }


def files(hostname: str, hosts: Mapping[str, str]) -> dict[str, str]:
    """The files of /etc that name a machine and its neighbours; ``hosts`` are addresses and the names each has.

    There is no name server: a look-up of any other name fails at once.
    """
    lines = [f"{address}\t{names}" for address, names in hosts.items()]
    local = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost", f"127.0.1.1\t{hostname}"]
    own = [] if any(hostname in names.split() for names in hosts.values()) else local[2:]
    return {
        "/etc/hosts": "\n".join([*local[:2], *own, *lines]) + "\n",
        "/etc/hostname": f"{hostname}\n",
        "/etc/resolv.conf": "# no name server: /etc/hosts has every name\n",
    }


def come_of_age() -> None:
    """Wait until the machine is some seconds old, as every other machine is.

    ping of iputils takes the first second of a machine's life for no time at all and floods; nstat forgets its history in it.
    """
    missing = _AGE_S - time.clock_gettime(time.CLOCK_BOOTTIME)
    if missing > 0:
        time.sleep(missing)
