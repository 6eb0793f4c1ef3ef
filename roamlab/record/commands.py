"""What agents are told to do, one class a command. The tag stands as ``do`` in the JSON lines on an agent's control socket.

An agent takes commands by their class (``Agent.obey``). Times are CLOCK_REALTIME in ns, addresses are text.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Command(msgspec.Struct, tag_field="do", omit_defaults=True, gc=False):
    """Something that an agent is told to do."""


class Stop(Command, tag="stop"):
    """Leave the loop and end."""


# -- endpoints ---------------------------------------------------------------------------------------------------------


class Listen(Command, tag="listen"):
    """Accept associations (connections, flows); the first message of each names its session."""

    local: str
    port: int
    transport: str = "sctp"
    one_to_many: bool = False
    """whether one SCTP socket holds all associations (RFC 6458, 3)"""


class Connect(Command, tag="connect"):
    """Set up an association for a session; a session that had one before goes on over the new one."""

    session: int
    local: str
    peer: str
    port: int
    transport: str = "sctp"
    kernel_announces: bool = False
    """whether the kernel puts new addresses into ASCONFs by itself (SCTP_AUTO_ASCONF)"""
    local_port: int = 0
    """0 lets the kernel choose"""


class Greet(Command, tag="greet"):
    """Tell the other side which session this is; again where nothing else would repeat a datagram that was lost."""

    session: int


class Stream(Command, tag="stream"):
    """Send a message of ``size`` bytes every ``every_ns`` from ``start_ns`` until ``end_ns``."""

    session: int
    every_ns: int
    size: int
    start_ns: int
    end_ns: int
    way: Literal["", "up", "down"] = ""
    """the direction that the messages are sent in, by default that of the node's kind"""
    first: int = 0
    """the sequence number to begin with"""
    answers: bool = False
    """whether each message is the answer to one that came, sent at once, and none is sent else"""


class EndStream(Command, tag="end-stream"):
    """Send no further message of a session's stream."""

    session: int


class SetPrimary(Command, tag="set-primary"):
    """Ask the peer of a session to send to an address (SET PRIMARY)."""

    session: int
    address: str


class Disconnect(Command, tag="disconnect"):
    """End the session's association in order; its streams stay."""

    session: int


class Account(Command, tag="account"):
    """Report what the kernel keeps for SCTP here, as the event `sctp.state`, or `cookie.state` for ``of`` a cookie."""

    of: Literal["session", "cookie"] = "session"


class Favour(Command, tag="favour"):
    """Ask the peer on a port to send to this address of the node's (SET PRIMARY)."""

    address: str
    peer_port: int


# -- the mobile node ---------------------------------------------------------------------------------------------------


class Watch(Command, tag="watch"):
    """Report NICs, addresses of one family (4 or 6) and ASCONF-ACKs from now on."""

    family: int


class Manage(Command, tag="manage"):
    """Let the mobility manager act on what is watched: SCTP's, or the keeper of another transport's sessions."""

    announce: Literal["socket", "kernel", "rewriting"]
    set_primary: bool
    delete: bool
    transport: str = "sctp"


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request of an ASCONF: RFC 5061's word or a type in hexadecimal, its address, its correlation ID."""

    verb: str
    address: str = ""
    id: int = -1


class Ask(Command, tag="ask"):
    """Ask the peer for requests of a scenario's, in one ASCONF (way ``rewriting``)."""

    requests: tuple[Request, ...]


class Release(Command, tag="release"):
    """Take an address from the association."""

    address: str


class Prefer(Command, tag="prefer"):
    """Have every INIT and INIT-ACK from now on ask for an address as primary path (FIG. 10; RFC 5061, 5.4)."""

    address: str
    family: int


class Radio(Command, tag="radio"):
    """Let signals decide what becomes of NICs; ``preferred`` is the one in use.

    The rest are ``roamlab.protocols.signals.Thresholds``: levels in dBm, the hysteresis in dB, the dwell time in ns.
    """

    preferred: str
    attach: float
    fade: float
    hysteresis: float
    dwell_ns: int


class Hear(Command, tag="hear"):
    """Levels (dBm) by NIC, as the radio measures them now."""

    levels: dict[str, float]


# -- a crowd of mobile nodes -------------------------------------------------------------------------------------------


class For(Command, tag="for"):
    """A command for one of the nodes that the agent serves."""

    node: str
    line: str
    """the command as JSON"""


# -- Mobile IP ---------------------------------------------------------------------------------------------------------


class Security(msgspec.Struct, frozen=True, gc=False):
    """A mobility security association: ``algorithm`` is keyed with HMAC, ``key`` is hexadecimal."""

    spi: int
    key: str
    algorithm: Literal["md5", "sha256"] = "md5"


Known = dict[str, Security]
"""Security associations by the other node's address."""
Encapsulation = Literal["ipip", "gre"]
ReplayProtection = Literal["timestamps", "nonces"]
ReverseTunnels = Literal["unavailable", "available", "mandatory"]


class ServeHomeAgent(Command, tag="serve-home-agent", kw_only=True):
    """Be a home agent on the link of ``interface``, which has the address ``address`` (with the prefix length)."""

    interface: str
    address: str
    mobile_nodes: Known
    foreign_agents: Known = {}
    max_lifetime: int = 3 * 3600
    """s"""
    capacity: int = 1024
    replay: ReplayProtection = "timestamps"
    reverse: ReverseTunnels = "available"
    encapsulations: tuple[Encapsulation, ...] = ("ipip", "gre")
    barred: tuple[str, ...] = ()


class ServeForeignAgent(Command, tag="serve-foreign-agent", kw_only=True):
    """Be a foreign agent on the link of ``interface``; its address there is its care-of address."""

    interface: str
    address: str
    """with the prefix length"""
    mobile_nodes: Known = {}
    home_agents: Known = {}
    max_lifetime: int = 0xFFFF
    """s, as advertised; the greatest stands for no end"""
    capacity: int = 256
    max_pending: int = 16
    longest: int | None = None
    """the longest lifetime that it registers, s, where that isn't ``max_lifetime``"""
    sequence: int = 0
    """its first advertisement's number, other than 0 as if it had been advertising for long"""
    required: bool = False
    """whether mobile nodes with a co-located care-of address have to register through it too (the R bit)"""
    reverse: ReverseTunnels = "available"
    encapsulations: tuple[Encapsulation, ...] = ("ipip", "gre")
    barred: tuple[str, ...] = ()


class UseMobileIp(Command, tag="use-mobile-ip", kw_only=True):
    """Keep the home address, which ``interface`` has, reachable by Mobile IP."""

    interface: str
    home_address: str
    home_agent: str
    security: Security
    foreign_agents: Known = {}
    lifetime: int = 5 * 3600
    """s, as asked for"""
    replay: ReplayProtection = "timestamps"
    movement: str = "lifetime"
    """how it finds that it has moved (``roamlab.protocols.mobileip.movement.Movement``)"""
    encapsulation: Encapsulation = "ipip"
    reverse: bool = False
    co_located: bool = False
    """whether it takes a care-of address of its own where it can get one, in preference to a foreign agent's"""
    skew_ns: int = 0
    """how far its clock is ahead of the others'"""


class AcquireCareOf(Command, tag="care-of"):
    """A NIC was given an address of a foreign network."""

    nic: str
    address: str
    """with the prefix length"""
    gateway: str


class Withdraw(Command, tag="withdraw"):
    """Deregister the care-of address from afar."""


class Replay(Command, tag="replay"):
    """Send the last Registration Request again, bit for bit."""


class Halt(Command, tag="halt"):
    """Let Mobile IP fall silent, the sessions going on."""


# -- an endpoint of roamlab's own (the raw way) ------------------------------------------------------------------------


class Open(Command, tag="open"):
    """Take a peer."""

    peer: str


class Initiate(Command, tag="initiate"):
    """Send an INIT; the set-up goes on by itself where it ``echoes``."""

    port: int
    peer_port: int
    local: str
    tsn: int | None = None
    """the initial TSN; drawn where there is none"""
    secured: bool = True
    echoes: bool = True
    also: tuple[str, ...] = ()
    """addresses that the INIT lists beside ``local``"""
    prefer: str = ""
    """the address that it asks for as primary path"""
    prefers_first: bool = False
    """whether that stands before the addresses"""


class EchoCookie(Command, tag="echo"):
    """Send the cookie back, whole or with one bit of it turned round."""

    port: int
    damaged: bool


class AsconfSpec(msgspec.Struct, tag_field="chunk", tag="asconf", frozen=True, gc=False):
    """An ASCONF, found ``by`` an address parameter unless it is to ``lack`` one."""

    serial: int
    requests: tuple[Request, ...]
    by: str = ""
    lack: bool = False


class AsconfAckSpec(msgspec.Struct, tag_field="chunk", tag="asconf-ack", frozen=True, gc=False):
    """An ASCONF-ACK; it says of no request what became of it, or of each that it was not ``understood``."""

    serial: int
    """how far it is ahead of the peer's first ASCONF"""
    understood: bool
    refused: bool = False
    """whether it says of each that it is refused (cause 0x00a4)"""


class HeartbeatSpec(msgspec.Struct, tag_field="chunk", tag="heartbeat", frozen=True, gc=False):
    """A HEARTBEAT."""


class CookieEchoSpec(msgspec.Struct, tag_field="chunk", tag="cookie-echo", frozen=True, gc=False):
    """The set-up's COOKIE-ECHO."""


ChunkSpec = AsconfSpec | AsconfAckSpec | HeartbeatSpec | CookieEchoSpec


class Mute(Command, tag="mute"):
    """Answer nothing any more in an association, not even a HEARTBEAT."""

    port: int


class Say(Command, tag="say"):
    """Send these chunks in one packet, from ``source`` or the association's usual address; none: the last packet again."""

    port: int
    act: int
    chunks: tuple[ChunkSpec, ...]
    source: str = ""
    to: str = ""
    """where it goes, if not to the address that the association was set up with"""


# -- attackers ---------------------------------------------------------------------------------------------------------


class Overhear(Command, tag="overhear"):
    """Learn from all that passes."""


class Learn(Command, tag="learn"):
    """Be told addresses and ports of an association, and guess the rest."""

    mobile: str
    correspondent: str
    sport: int
    dport: int


class Own(Command, tag="own"):
    """Answer what is sent to these addresses as an end of the association would."""

    addresses: tuple[str, ...]


class AttackCommand(Command):
    """One act of an attack. ``act`` is its number in the run."""

    act: int


class ForgeAsconf(AttackCommand, tag="asconf"):
    """Send an ASCONF in the mobile node's name from ``source``."""

    source: str
    requests: tuple[Request, ...]
    signing: Literal["none", "junk", "key"]


class Restart(AttackCommand, tag="restart"):
    """Send an INIT from ``source`` and the mobile node's port that lists ``addresses``."""

    source: str
    addresses: tuple[str, ...]


class Camp(AttackCommand, tag="camp"):
    """Set up an association of the attacker's own from ``source`` and the mobile node's port."""

    source: str
    addresses: tuple[str, ...]


class Claim(AttackCommand, tag="claim"):
    """Send an ASCONF in the association that ``Camp`` set up."""

    source: str
    requests: tuple[Request, ...]


class Subscribe(AttackCommand, tag="subscribe"):
    """Ask the correspondent in that association for a session's stream, as soon as the association is up."""

    source: str
    session: int


class Feed(AttackCommand, tag="feed"):
    """Acknowledge, from ``source``, DATA that went elsewhere: one chunk, then two, up to ``most`` each time."""

    source: str
    every_ns: int
    most: int
    end_ns: int


class Probe(AttackCommand, tag="probe"):
    """Send an INIT from ``source`` and the mobile node's port, and keep the cookie that comes."""

    source: str


class Echo(AttackCommand, tag="echo-own"):
    """Send the cookie of its own INIT (once more), where wanted with other ports than the INIT had."""

    source: str
    sport_shift: int = 0
    dport_shift: int = 0


class Quit(AttackCommand, tag="quit"):
    """End its own association with ABORT, as a victim's stack would that knows nothing of it."""

    source: str


class Hijack(AttackCommand, tag="hijack"):
    """Send an ASCONF in the mobile node's association with each tag that the cookie of ``Probe`` tells."""

    source: str
    requests: tuple[Request, ...]


class Flood(AttackCommand, tag="flood"):
    """Send one packet with many chunks in its own association, each of which calls for a chunk in return."""

    source: str
    chunks: Literal["heartbeats", "unknown chunks"]
    count: int


class ReplayCookie(AttackCommand, tag="cookie"):
    """Send the overheard COOKIE-ECHO once more, from ``source``."""

    source: str


class ForgeRegistration(AttackCommand, tag="register"):
    """Send a Registration Request in the mobile node's name, signed with a made-up key or not at all."""

    source: str
    home_address: str
    home_agent: str
    care_of: str
    lifetime: int
    authenticated: bool


class ForgeTunnel(AttackCommand, tag="tunnel"):
    """Send the home agent a datagram from ``inner`` as a reverse tunnel from ``outer`` would bring it."""

    outer: str
    home_agent: str
    inner: str
    destination: str


class ReplayRegistration(AttackCommand, tag="again"):
    """Send the last overheard registration (or deregistration) once more, from the address that it came from."""

    deregistration: bool
