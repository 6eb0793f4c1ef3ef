"""Who has which address: what /etc/hosts says on every node of a network."""

from __future__ import annotations

from collections.abc import Sequence

from roamlab.network.net import Mininet


def addresses_of(net: Mininet, families: Sequence[int] = (4, 6)) -> dict[str, str]:
    """Each address of each host of a built network and the host's name: one family after the other, hosts in their order."""
    return {
        str(address.ip): host.name
        for version in families
        for host in net.hosts
        for intf in host.intfList()
        for address in intf.addresses
        if address.version == version
    }
