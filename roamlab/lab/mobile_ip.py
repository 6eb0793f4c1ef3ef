"""Mobile IP in a scenario: the home agent, the foreign agents and the mobile node of FIG. 1, set up on agreed terms.

    mobile_ip = lab.mobile_ip(Terms(lifetime=18000))
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.at(10.0).fail(mobile_ip.home_agent)

The routers of the segments are the agents: the home segment's the home agent, the others' foreign agents.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import msgspec

from roamlab.nodes.foreign_agent import ForeignAgentNode
from roamlab.nodes.home_agent import HomeAgentNode
from roamlab.parameters import Lifetime
from roamlab.record.commands import (
    AcquireCareOf,
    Command,
    Security,
    ServeForeignAgent,
    ServeHomeAgent,
    UseMobileIp,
)
from roamlab.record.event import kind_of
from roamlab.record.mobile_ip_events import TableRow
from roamlab.record.stimuli import Move
from roamlab.topologies import Segment
from roamlab.topologies.addresses import ROUTER

if TYPE_CHECKING:
    from roamlab.lab.contracts import MobileIpPlace
    from roamlab.network.intf import Intf

CareOf = Literal["foreign-agent", "co-located", "co-located-through-agent"]
Algorithm = Literal["md5", "sha256"]
ReplayProtection = Literal["timestamps", "nonces"]
Wrapping = Literal["ipip", "gre"]

C = TypeVar("C", bound=Command)
_KEY_BYTES: Final = 16
MOBILE_HOME, MOBILE_FOREIGN, FOREIGN_HOME = 256, 512, 768
"""SPIs of the security associations; of the foreign agents' the first, in the order of their segments."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the three parties are set to.

    ``care_of`` is the foreign agent's care-of address, or one of the mobile node's own (co-located) that it registers with
    the home agent directly, or, where the foreign agents insist (their R bit), through them. ``lifetime`` is what the mobile
    node asks for, ``granted`` the most that the home agent grants (s); ``skew`` how far the mobile node's clock is ahead (s).
    ``changes`` are settings of one party ("home agent", "foreign agent", "mobile node") that differ from what the rest says,
    by their names in ``roamlab.record.commands``.
    """

    care_of: CareOf = "foreign-agent"
    lifetime: Lifetime = 18000
    granted: Lifetime = 10800
    algorithm: Algorithm = "md5"
    replay: ReplayProtection = "timestamps"
    encapsulation: Wrapping = "ipip"
    reverse: bool = False
    skew: float = 0.0
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MobilityAgent:
    """A home or foreign agent: its node, and how it is told to serve."""

    name: str
    make: Callable[..., Any]
    settings: ServeHomeAgent | ServeForeignAgent


class MobileIp:
    """Mobile IP as it is set up in a site. ``site`` is what the agents run in (``roamlab.lab.site.Site``)."""

    def __init__(self, site: MobileIpPlace, segments: Sequence[Segment], terms: Terms) -> None:
        self._site = site
        self.terms = terms
        self.home, *foreign = segments
        key = {name: os.urandom(_KEY_BYTES).hex() for name in ("home", *(s.name for s in foreign))}
        relayed = {s.name: os.urandom(_KEY_BYTES).hex() for s in foreign}
        mobile = Security(MOBILE_HOME, key["home"], terms.algorithm)
        visiting = {
            s.name: Security(MOBILE_FOREIGN + n, key[s.name], terms.algorithm) for n, s in enumerate(foreign)
        }
        relaying = {
            s.name: Security(FOREIGN_HOME + n, relayed[s.name], terms.algorithm)
            for n, s in enumerate(foreign)
        }
        at_home, home_agent = self.home_address(), _address(self.home)
        self.home_agent = MobilityAgent(
            self.home.router,
            HomeAgentNode,
            self._settings(
                ServeHomeAgent,
                "home agent",
                interface=self.home.name,
                address=str(self.home.subnet.host4(ROUTER)),
                mobile_nodes={at_home: mobile},
                foreign_agents={_address(s): relaying[s.name] for s in foreign},
                max_lifetime=terms.granted,
                replay=terms.replay,
            ),
        )
        self.foreign_agents = {
            segment.name: MobilityAgent(
                segment.router,
                ForeignAgentNode,
                self._settings(
                    ServeForeignAgent,
                    "foreign agent",
                    interface=segment.name,
                    address=str(segment.subnet.host4(ROUTER)),
                    mobile_nodes={at_home: visiting[segment.name]},
                    home_agents={home_agent: relaying[segment.name]},
                    required=terms.care_of == "co-located-through-agent",
                ),
            )
            for segment in foreign
        }
        self.mobile_settings = self._settings(
            UseMobileIp,
            "mobile node",
            interface=site.mobile_nic,
            home_address=at_home,
            home_agent=home_agent,
            security=mobile,
            foreign_agents={_address(s): visiting[s.name] for s in foreign},
            lifetime=terms.lifetime,
            replay=terms.replay,
            encapsulation=terms.encapsulation,
            reverse=terms.reverse,
            co_located=self._co_located,
            skew_ns=round(terms.skew * 1e9),
        )

    @property
    def _co_located(self) -> bool:
        return self.terms.care_of != "foreign-agent"

    def foreign_agent(self, segment: Segment) -> MobilityAgent:
        """The foreign agent of a segment."""
        return self.foreign_agents[segment.name]

    def home_address(self) -> str:
        """The mobile node's home address."""
        return _plain(self.home.mobile_addresses()[0])

    def security(self) -> dict[str, Security]:
        """Every security association, by the two nodes' addresses, for the run's record.

        The keys live as long as the run, and a reader of the capture can check the authenticators with them.
        """
        known = {f"{self.home_address()} {_address(self.home)}": self.mobile_settings.security}
        for agent in self.foreign_agents.values():
            settings = agent.settings
            assert isinstance(settings, ServeForeignAgent)
            own = settings.address.partition("/")[0]
            known |= {f"{other} {own}": s for other, s in settings.mobile_nodes.items()}
            known |= {f"{own} {other}": s for other, s in settings.home_agents.items()}
        return known

    @property
    def agents(self) -> list[MobilityAgent]:
        """The home agent and the foreign agents."""
        return [self.home_agent, *self.foreign_agents.values()]

    def moving(self, segment: Segment) -> Move:
        """The mobile node's move to a segment: what must be seen on the wire, and how far from there the home agent is."""
        up, down = segment.edge_delay()
        wired = self._site.wired_delay(segment.name, self.home.router)
        care_of = "" if segment is self.home else _address(segment)
        if care_of and self._co_located:
            care_of = _plain(segment.mobile_addresses()[0])
        return Move(
            to=segment.name,
            heard=_address(segment),
            care_of=care_of,
            agent_up_ns=round((up + wired) * 1e9),
            agent_down_ns=round((wired + down) * 1e9),
        )

    def arrived(self, intf: Intf, segment: Segment) -> None:
        """Do for a NIC what the network that it has come to does for visitors: give it an address, if it wants one."""
        if not self._co_located:
            return
        home4 = self.home.mobile_addresses()[0]
        intf.deconfigure([str(a) for a in intf.addresses if a.version == 4 and str(a) != home4])
        if segment is not self.home:
            here4, gateway4 = segment.mobile_addresses()[0], _address(segment)
            intf.configure([here4])
            self._site.tell(self._site.mobile, AcquireCareOf(intf.name, here4, gateway4))

    def _settings(self, kind: type[C], party: str, **settings: object) -> C:
        plain = msgspec.to_builtins({**settings, **self.terms.changes.get(party, {})})
        return msgspec.convert({"do": kind_of(kind), **plain}, kind)


def bindings(
    tables: Mapping[str, Sequence[TableRow]], agent: MobilityAgent, now_ns: int
) -> list[dict[str, str]]:
    """The home agent's mobility binding table as rows of text; ``tables`` are the agents' last ``mip.table`` events."""
    return [
        {
            "home address": row.home_address,
            "care-of address": row.care_of_address + (" (co-located)" if row.co_located else ""),
            "lifetime": _lifetime(row, now_ns),
            "tunnel": row.encapsulation + (", reverse" if row.reverse else ""),
        }
        for row in tables.get(agent.name, ())
    ]


def visitors(
    tables: Mapping[str, Sequence[TableRow]], agent: MobilityAgent, now_ns: int
) -> list[dict[str, str]]:
    """A foreign agent's visitor list as rows of text."""
    return [
        {
            "home address": row.home_address,
            "home agent": row.home_agent,
            "link-layer address": row.link,
            "lifetime": _lifetime(row, now_ns),
            "tunnel": "none (co-located)"
            if row.co_located
            else row.encapsulation + (", reverse" if row.reverse else ""),
        }
        for row in tables.get(agent.name, ())
    ]


def _lifetime(row: TableRow, now_ns: int) -> str:
    if row.expires_ns is None:
        return "infinite"
    return f"{max(0, (row.expires_ns - now_ns) // 10**9)} s of {row.lifetime} s"


def _address(segment: Segment) -> str:
    return str(segment.subnet.gateway4)


def _plain(address: str) -> str:
    return address.partition("/")[0]
