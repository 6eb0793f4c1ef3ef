"""What a run's manifest records of the kernel that it was played on."""

from __future__ import annotations

import msgspec


class KernelDescription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kernel; what its kind does not have is None and is left out of the manifest.

    ``kind`` is ``uml``, ``machine`` or ``native``; ``version`` is its release or its package's version, ``variant`` the name
    of its patches, empty for none. ``sha256`` is the hash of its binary. ``confined`` and ``protection`` say what stood
    between guest and user. ``build`` is uname's, on this machine's own kernel.

    UML: ``patches``, ``config_sha256``, ``binary`` (a file's name), ``mode`` (``seccomp`` or ``ptrace``).

    A distribution's: its name, its ``packages`` with versions, the hashes of its modules and of the archive that it boots
    with, QEMU's version and the ``kernel_words`` on its command line.
    """

    kind: str
    version: str
    variant: str
    virtual_time: bool
    sha256: str | None = None
    config_sha256: str | None = None
    confined: bool | None = None
    protection: str | None = None
    build: str | None = None
    patches: tuple[str, ...] | None = None
    binary: str | None = None
    mode: str | None = None
    distribution: str | None = None
    packages: tuple[str, ...] | None = None
    modules_sha256: str | None = None
    initramfs_sha256: str | None = None
    qemu: str | None = None
    kernel_words: str | None = None
