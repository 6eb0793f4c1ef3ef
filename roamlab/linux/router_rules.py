"""What a router does to packets that it forwards besides routing them: it translates addresses, or swallows large packets.

Each object makes its nftables rules in the network namespace that the caller stands in, where they stay. IPv4 alone.
"""

from __future__ import annotations

import struct
from typing import Final

from roamlab.linux import nft

_TABLE: Final = "roamlab-nat"
_OUTWARDS: Final = "outwards"
_SOURCE_NAT: Final = 100  # NF_IP_PRI_NAT_SRC
_INVALID, _NEW = 1 << 0, 1 << 3  # NF_CT_STATE_*
_CONNTRACK, _FORGET = 1, 2  # subsystem, IPCTNL_MSG_CT_DELETE
_TOTAL_LENGTH: Final = (nft.NETWORK_HEADER, 2, 2)
_AFTER_REBINDING: Final = (20_000, 20_999)  # below those that Linux takes for its own connections


class AddressTranslation:
    """A NAT as homes have them (RFC 4787): what leaves by the NIC ``outside`` has its address, and only answers come back in.

    A packet that connection tracking makes nothing of is dropped, for a real NAT's inner addresses lead nowhere outside.
    OSError where the kernel lacks nftables or NAT.
    """

    def __init__(self, outside: int) -> None:
        self._leaves = nft.meta(nft.OIF) + nft.compare(struct.pack("=I", outside))
        self._kernel = nft.Netfilter("translate addresses")
        outwards = nft.Chain(_OUTWARDS, "nat", nft.POST_ROUTING, _SOURCE_NAT)
        forward = nft.Chain("forward", "filter", nft.FORWARD)
        to_itself = nft.Chain("input", "filter", nft.LOCAL_IN)
        comes_in = nft.meta(nft.IIF) + nft.compare(struct.pack("=I", outside))
        self._kernel.make(
            nft.IPV4,
            _TABLE,
            [
                (outwards, [self._leaves + nft.masquerade()]),
                (
                    forward,
                    [
                        nft.tracked_as(_INVALID) + nft.drop(),
                        comes_in + nft.tracked_as(_NEW) + nft.drop(),
                    ],
                ),
                (to_itself, [comes_in + nft.tracked_as(_INVALID | _NEW) + nft.drop()]),
            ],
        )

    def rebind(self) -> None:
        """Forget all connections, and give those that come from now on ports of another range, as after a restart."""
        self._kernel.replace(nft.IPV4, _TABLE, _OUTWARDS, [self._leaves + nft.masquerade(*_AFTER_REBINDING)])
        self._kernel.ask(_CONNTRACK, _FORGET, b"", nft.IPV4)


def swallow(longer_than: int) -> None:
    """Drop what is forwarded and longer than so many octets, and say nothing of it: a path MTU black hole (RFC 2923, 2.1)."""
    kernel = nft.Netfilter("drop large packets")
    rule = nft.header(*_TOTAL_LENGTH) + nft.compare(struct.pack("!H", longer_than), nft.GREATER) + nft.drop()
    kernel.make(nft.IPV4, "roamlab-mtu", [(nft.Chain("forward", "filter", nft.FORWARD), [rule])])
    kernel.close()
