"""What can go wrong in the network, each with the words a user can act on."""

import os


class NetworkError(Exception):
    """The network can't be built or changed as asked; the message says why."""


class NetlinkError(NetworkError):
    """The kernel refused a request.

    Attributes:
        errno: the kernel's error number.
        what: the request in words, say "add bridge home".

    """

    def __init__(self, errno: int, what: str, reason: str = "") -> None:
        detail = f" ({reason})" if reason else ""
        super().__init__(f"{what}: {os.strerror(errno)}{detail}")
        self.errno = errno
        self.what = what


class MissingKernelOption(NetworkError):
    """The kernel lacks a feature.

    Attributes:
        option: the kernel's configuration option, say "CONFIG_NET_SCH_NETEM".

    """

    def __init__(self, option: str, what: str) -> None:
        super().__init__(f"{what}: this kernel lacks {option}")
        self.option = option
