"""How each denial of RFC 5944, 3.4 and RFC 3024, 3.4 is brought about: which party is set up how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from roamlab.lab.mobile_ip import FOREIGN_HOME, MOBILE_FOREIGN, MOBILE_HOME, Terms
from roamlab.protocols.mobileip.codes import ReplyCode
from roamlab.topologies.addresses import HOME, MOBILE, VISITED

_HOME_ADDRESS: Final = str(HOME.host4(MOBILE).ip)
_HOME_AGENT: Final = str(HOME.gateway4)
_FOREIGN_AGENT: Final = str(VISITED.gateway4)
_HOME_BROADCAST: Final = str(HOME.host4(MOBILE).network.broadcast_address)
_WRONG_KEY: Final = "00" * 16


def _wrong(spi: int, other: str) -> dict[str, Any]:
    return {other: {"spi": spi, "key": _WRONG_KEY}}


HOPELESS: Final[Mapping[int, Terms]] = {
    ReplyCode.FA_PROHIBITED: Terms(changes={"foreign agent": {"barred": [_HOME_ADDRESS]}}),
    ReplyCode.FA_RESOURCES: Terms(changes={"foreign agent": {"max_pending": 0}}),
    ReplyCode.FA_MOBILE_NODE_AUTHENTICATION: Terms(
        changes={"mobile node": {"foreign_agents": _wrong(MOBILE_FOREIGN, _FOREIGN_AGENT)}}
    ),
    ReplyCode.FA_HOME_AGENT_AUTHENTICATION: Terms(changes={"home agent": {"foreign_agents": {}}}),
    ReplyCode.HA_PROHIBITED: Terms(changes={"home agent": {"barred": [_HOME_ADDRESS]}}),
    ReplyCode.HA_RESOURCES: Terms(changes={"home agent": {"capacity": 0}}),
    ReplyCode.HA_MOBILE_NODE_AUTHENTICATION: Terms(
        changes={"home agent": {"mobile_nodes": _wrong(MOBILE_HOME, _HOME_ADDRESS)}}
    ),
    ReplyCode.HA_FOREIGN_AGENT_AUTHENTICATION: Terms(
        changes={"foreign agent": {"home_agents": _wrong(FOREIGN_HOME, _HOME_AGENT)}}
    ),
}
"""Denials that no other request can mend, by their codes."""

MENDABLE: Final[Mapping[int, Terms]] = {
    ReplyCode.FA_LIFETIME_TOO_LONG: Terms(changes={"foreign agent": {"longest": 60}}),
    ReplyCode.FA_ENCAPSULATION_UNAVAILABLE: Terms(
        encapsulation="gre", changes={"foreign agent": {"encapsulations": ["ipip"]}}
    ),
    ReplyCode.FA_REVERSE_TUNNEL_UNAVAILABLE: Terms(
        reverse=True, changes={"foreign agent": {"reverse": "unavailable"}}
    ),
    ReplyCode.FA_REVERSE_TUNNEL_MANDATORY: Terms(changes={"foreign agent": {"reverse": "mandatory"}}),
    ReplyCode.HA_IDENTIFICATION_MISMATCH: Terms(skew=30.0),
    # The mobile node does not know its home agent, and asks whoever is on the home network (RFC 5944, 3.6.1.2). The foreign
    # agent has no association with an address of that kind.
    ReplyCode.HA_UNKNOWN_HOME_AGENT: Terms(
        changes={
            "mobile node": {"home_agent": _HOME_BROADCAST},
            "foreign agent": {"home_agents": {}},
            "home agent": {"foreign_agents": {}},
        }
    ),
    ReplyCode.HA_REVERSE_TUNNEL_UNAVAILABLE: Terms(
        reverse=True, changes={"home agent": {"reverse": "unavailable"}}
    ),
    ReplyCode.HA_REVERSE_TUNNEL_MANDATORY: Terms(changes={"home agent": {"reverse": "mandatory"}}),
    ReplyCode.HA_ENCAPSULATION_UNAVAILABLE: Terms(
        encapsulation="gre", changes={"home agent": {"encapsulations": ["ipip"]}}
    ),
}
"""Denials from which the mobile node learns what to ask instead."""
