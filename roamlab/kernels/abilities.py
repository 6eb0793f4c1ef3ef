"""What a job may need of a kernel, the option that gives it, and the modules where it isn't built in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing that a kernel can do.

    option   the configuration option that gives it
    modules  what to load where it is a module, prerequisites that modules.dep doesn't know included
    """

    option: str
    modules: tuple[str, ...]


# SCTP's listen() answers ENOSYS until the cookie's HMAC and the checksum are there; it asks for them by
# name at run time, so that modules.dep can't know.
_SCTP = ("hmac", "md5", "sha1_generic", "sha256_generic", "crc32c_generic", "sctp")

ABILITIES: Mapping[str, Ability] = {
    "bridge": Ability("CONFIG_BRIDGE", ("bridge",)),
    "dummy": Ability("CONFIG_DUMMY", ("dummy",)),
    "fq_codel": Ability("CONFIG_NET_SCH_FQ_CODEL", ("sch_fq_codel",)),
    "gre": Ability("CONFIG_NET_IPGRE", ("ip_gre",)),
    "htb": Ability("CONFIG_NET_SCH_HTB", ("sch_htb",)),
    "ifb": Ability("CONFIG_IFB", ("ifb",)),
    "ip6tunnel": Ability("CONFIG_IPV6_TUNNEL", ("ip6_tunnel",)),
    "ipip": Ability("CONFIG_NET_IPIP", ("ipip",)),
    "ipv6": Ability("CONFIG_IPV6", ("ipv6",)),
    "mip6": Ability("CONFIG_IPV6_MIP6", ("mip6",)),
    "mptcp": Ability("CONFIG_MPTCP", ()),
    "netem": Ability("CONFIG_NET_SCH_NETEM", ("sch_netem",)),
    "netns": Ability("CONFIG_NET_NS", ()),
    "nfqueue": Ability("CONFIG_NFT_QUEUE", ("nfnetlink_queue", "nft_queue")),
    "nft": Ability("CONFIG_NF_TABLES", ("nf_tables",)),
    "nft_families": Ability("CONFIG_NF_TABLES_IPV4", ("nf_tables",)),
    "nft_nat": Ability("CONFIG_NFT_NAT", ("nft_chain_nat", "nft_nat", "nft_masq")),
    "openvswitch": Ability("CONFIG_OPENVSWITCH", ("openvswitch",)),
    "overlay": Ability("CONFIG_OVERLAY_FS", ("overlay",)),
    "packet": Ability("CONFIG_PACKET", ("af_packet",)),
    "sctp": Ability("CONFIG_IP_SCTP", _SCTP),
    "sctp_diag": Ability("CONFIG_INET_SCTP_DIAG", (*_SCTP, "inet_diag", "sctp_diag")),
    "tbf": Ability("CONFIG_NET_SCH_TBF", ("sch_tbf",)),
    "tun": Ability("CONFIG_TUN", ("tun",)),
    "veth": Ability("CONFIG_VETH", ("veth",)),
    "vrf": Ability("CONFIG_NET_VRF", ("vrf",)),
    "wireguard": Ability("CONFIG_WIREGUARD", ("wireguard",)),
}


def option(ability: str) -> str:
    """Name the configuration option behind an ability (the name itself for one that we don't know)."""
    known = ABILITIES.get(ability)
    return known.option if known else ability


def modules_for(needs: Iterable[str]) -> tuple[str, ...]:
    """List the modules that needs ask for, prerequisites first, each once."""
    wanted: dict[str, None] = {}
    for need in sorted(needs):
        if need in ABILITIES:
            wanted.update(dict.fromkeys(ABILITIES[need].modules))
    return tuple(wanted)
