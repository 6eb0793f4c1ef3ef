"""Offloads off, over ethtool's ioctl: what a capture shows is then what a wire would carry.

With offloads on, a virtual NIC is handed packets larger than its MTU and checksums that nobody has computed, and so is
a capture on it. SCTP has both too: segmentation (SKB_GSO_SCTP) and CRC32c.
"""

import ctypes
import struct
from typing import Final

from roamlab.linux.namespace import Namespace

_SIOCETHTOOL: Final = 0x8946
_SIOCGIFFLAGS: Final = 0x8913
_GSTRINGS: Final = 0x1B
_GSSET_INFO: Final = 0x37
_SFEATURES: Final = 0x3B
_FEATURES: Final = 4  # ETH_SS_FEATURES
_NAME: Final = 32  # ETH_GSTRING_LEN
_IFF_UP, _IFF_RUNNING = 0x1, 0x40

# Names as `ethtool -k` has them; a trailing star stands for all with that beginning.
_OFF: Final = (
    "tx-checksum-*",
    "tx-scatter-gather*",
    "tx-*segmentation",
    "tx-gso-*",
    "rx-gro*",
    "rx-lro",
    "rx-udp-gro*",
)


def offloads_off(namespace: Namespace, nic: str) -> None:
    """Switch segmentation, receive offload and checksum offload of a NIC off.

    Raises:
        OSError: no such NIC.

    """
    count, bits = _bits(namespace, nic)
    blocks = (count + 31) // 32
    request = struct.pack("=II", _SFEATURES, blocks)
    for block in range(blocks):
        request += struct.pack("=II", bits >> 32 * block & 0xFFFFFFFF, 0)  # which to set, and to what
    _ethtool(namespace, nic, bytearray(request))


_known: dict[int, tuple[int, int]] = {}


def _bits(namespace: Namespace, nic: str) -> tuple[int, int]:
    """(number of features, those to switch off as bits); the kernel's numbering never changes while it runs."""
    if 0 not in _known:
        info = bytearray(struct.pack("=IIQI", _GSSET_INFO, 0, 1 << _FEATURES, 0))
        _ethtool(namespace, nic, info)
        (count,) = struct.unpack_from("=I", info, 16)
        strings = bytearray(struct.pack("=III", _GSTRINGS, _FEATURES, count)) + bytearray(_NAME * count)
        _ethtool(namespace, nic, strings)
        bits = 0
        for number in range(count):
            name = strings[12 + _NAME * number :][:_NAME].split(b"\0")[0].decode()
            if any(_matches(name, pattern) for pattern in _OFF):
                bits |= 1 << number
        _known[0] = count, bits
    return _known[0]


def _matches(name: str, pattern: str) -> bool:
    head, star, tail = pattern.partition("*")
    return name.startswith(head) and name.endswith(tail) if star else name == pattern


def _ethtool(namespace: Namespace, nic: str, data: bytearray) -> None:
    buffer = (ctypes.c_char * len(data)).from_buffer(data)
    request = bytearray(struct.pack("=16sQ16x", nic.encode(), ctypes.addressof(buffer)))
    namespace.ioctl(_SIOCETHTOOL, request)


def is_running(namespace: Namespace, nic: str) -> tuple[bool, bool]:
    """(administratively up, has a carrier)."""
    request = bytearray(struct.pack("=16sH22x", nic.encode(), 0))
    namespace.ioctl(_SIOCGIFFLAGS, request)
    (flags,) = struct.unpack_from("=H", request, 16)
    return bool(flags & _IFF_UP), bool(flags & _IFF_RUNNING)
