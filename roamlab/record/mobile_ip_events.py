"""Events of Mobile IP (RFC 5944): emitted by home agents, foreign agents and mobile nodes. Lifetimes are in s."""

from __future__ import annotations

import msgspec

from roamlab.record.commands import Security
from roamlab.record.event import Event


class MipEvent(Event):
    """Something that Mobile IP did."""


class MipSecurity(MipEvent, tag="mip.security"):
    """The run's mobility security associations; emitted by the lab. Keys live as long as the run."""

    associations: dict[str, Security]
    """by the two nodes' addresses, with a blank between them"""


class MipServing(MipEvent, tag="mip.serving"):
    """A home or foreign agent started to serve a link."""

    interface: str
    address: str
    """its own, on that link"""


class TableRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A row of a home agent's binding table or a foreign agent's visitor list."""

    home_address: str
    care_of_address: str
    lifetime: int
    """as granted, s"""
    expires_ns: int | None
    """CLOCK_REALTIME; none for an infinite lifetime"""
    encapsulation: str
    """`ipip` or `gre`"""
    co_located: bool
    """whether the care-of address is the mobile node's own"""
    reverse: bool
    """whether there is a reverse tunnel (RFC 3024)"""
    home_agent: str = ""
    """in a visitor list"""
    link: str = ""
    """the visitor's link-layer address, in a visitor list"""


class MipTable(MipEvent, tag="mip.table"):
    """A home or foreign agent's table changed."""

    rows: tuple[TableRow, ...]
    """the whole table"""


class MipFailed(MipEvent, tag="mip.failed"):
    """The kernel refused something that Mobile IP had to do."""

    action: str
    error: str


class MipDiscarded(MipEvent, tag="mip.discarded"):
    """A message was dropped without an answer."""

    source: str
    """where it came from"""
    why: str
    code: int | None = None
    """the reply's code, for a reply"""


class MipRequest(MipEvent, tag="mip.request"):
    """The mobile node sent a Registration Request."""

    home_agent: str
    care_of_address: str
    lifetime: int


class MipReply(MipEvent, tag="mip.reply"):
    """The home agent accepts a registration and answers."""

    home_address: str
    care_of_address: str
    code: int
    lifetime: int


class MipDenied(MipEvent, tag="mip.denied"):
    """A registration is denied: by an agent that answers so, or at the mobile node that is told so."""

    code: int
    """the reply's (RFC 5944, 3.4)"""
    home_address: str = ""
    care_of_address: str = ""
    lifetime: int | None = None


class MipRelayed(MipEvent, tag="mip.relayed"):
    """The foreign agent passes a request on to the home agent, or a reply to the mobile node."""

    home_address: str
    home_agent: str = ""
    """of a request"""
    code: int | None = None
    """of a reply"""


class MipRegistered(MipEvent, tag="mip.registered"):
    """A registration stands: at the agent that keeps it, or at the mobile node that was granted it."""

    lifetime: int
    home_address: str = ""
    care_of_address: str = ""
    code: int | None = None


class MipDeregistered(MipEvent, tag="mip.deregistered"):
    """A registration was ended in order."""

    home_address: str = ""
    care_of_address: str = ""


class MipExpired(MipEvent, tag="mip.expired"):
    """A registration's lifetime is over."""

    home_address: str = ""
    care_of_address: str = ""


class MipAgentFound(MipEvent, tag="mip.agent.found"):
    """The mobile node attaches where an agent was heard."""

    agent: str
    place: str
    """`home`, or how it is reached abroad"""


class MipAgentLost(MipEvent, tag="mip.agent.lost"):
    """The mobile node does not hear its agent any longer."""

    agent: str
    why: str


class MipAgentRebooted(MipEvent, tag="mip.agent.rebooted"):
    """An agent's sequence numbers say that it has started again."""

    agent: str


class MipState(MipEvent, tag="mip.state"):
    """The mobile node's state changed (roamlab/protocols/mobileip/roaming.py)."""

    state: str
    before: str
    input: str
    """what made it change"""
