"""Events of runs, sessions, NICs, addresses, requests and the radio. Times are in ns, levels in dBm, sizes in bytes."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from roamlab.record.event import Event

Way = Literal["up", "down"]
"""A direction of a session: up is from the mobile node, down towards it."""

# -- the run -----------------------------------------------------------------------------------------------------------


class RunStart(Event, tag="run.start"):
    """The run begins: the first event, emitted by the lab once the network is made."""

    epoch_ns: int
    """the run's start on the capture's clock (CLOCK_REALTIME); event times in the file count from it"""


class RunEnd(Event, tag="run.end"):
    """The run came to its end: the last event, emitted by the lab. A run without it can't be judged."""

    capture_dropped: int
    """packets that the capture lost"""


class Expectation(Event, tag="expectation"):
    """The scenario says which verdict this kernel is known to come to, where that isn't the scenario's own."""

    verdict: str
    """one of `survived`, `broke`, `unsupported`, `invalid`"""


class AgentReady(Event, tag="agent.ready"):
    """An agent's process has started and takes commands: its first event."""


class AgentDied(Event, tag="agent.died"):
    """An agent's process ended other than by its own decision; emitted by the lab for that agent's node."""

    how: str
    """a signal's name or an exit status"""


# -- sessions ----------------------------------------------------------------------------------------------------------


class SessionStart(Event, tag="session.start"):
    """The lab starts a session's streams."""

    session: int
    """the session's number, from 1"""
    mobile: str
    """the mobile node's name"""
    correspondent: str
    """the correspondent node's name"""
    every_ns: int
    """from one message of a stream to the next"""
    transport: str
    """`sctp`, `tcp`, `udp` or another transport's name"""
    streams: tuple[Way, ...]
    """the directions that carry a stream"""


class SessionOpened(Event, tag="session.opened"):
    """The side that listens knows which session a new association belongs to: the session is up."""

    session: int


class SessionDisconnect(Event, tag="session.disconnect"):
    """An endpoint ended a session's association in order, as it was told."""

    session: int


class Listening(Event, tag="listening"):
    """An endpoint accepts associations from now on."""

    address: str
    port: int


class AssociationConnect(Event, tag="association.connect"):
    """An endpoint begins to set up an association (connection, flow)."""

    session: int
    peer: str
    """the address that is called"""
    port: int = 0
    """the caller's own port, where the transport is SCTP"""


class AssociationEnded(Event, tag="association.ended"):
    """An endpoint is done with an association, however it ended."""

    session: int | None = None


class Notice(Event, kw_only=True):
    """What the kernel reports of an association or one of its paths (RFC 6458, 6.1); emitted by endpoints."""

    session: int | None = None
    """none at the listening side before the first message names one"""
    address: str = ""
    """the path's, for what is said of a path"""
    error: int = 0
    """the kernel's reason: an SCTP error cause, or an errno for a TCP connection"""


class Up(Notice):
    """An association, connection or flow came up."""


class Gone(Notice):
    """An association or connection is gone, and not by an orderly end."""


class AssociationUp(Up, tag="association.up"):
    """The association came up (COMM_UP), at the side that connects."""


class AssociationLost(Gone, tag="association.lost"):
    """The association failed: aborted by the peer, or given up after too many retransmissions (COMM_LOST)."""


class AssociationRestarted(Notice, tag="association.restarted"):
    """The peer set the association up again from scratch (RESTART)."""


class AssociationClosed(Notice, tag="association.closed"):
    """The association was shut down in order (SHUTDOWN_COMP)."""


class AssociationFailed(Gone, tag="association.failed"):
    """The association could not be set up (CANT_STR_ASSOC)."""


class PathAvailable(Notice, tag="path.available"):
    """A path works again (ADDR_AVAILABLE)."""


class PathUnreachable(Notice, tag="path.unreachable"):
    """A path's address does not answer (ADDR_UNREACHABLE)."""


class PathRemoved(Notice, tag="path.removed"):
    """The peer's address is no longer part of the association (ADDR_REMOVED)."""


class PathAdded(Notice, tag="path.added"):
    """The peer's address became part of the association (ADDR_ADDED)."""


class PathPrimary(Notice, tag="path.primary"):
    """A path became the primary one (ADDR_MADE_PRIM)."""


class PathConfirmed(Notice, tag="path.confirmed"):
    """A path's address answered a HEARTBEAT for the first time (ADDR_CONFIRMED)."""


class ConnectionUp(Up, tag="connection.up"):
    """The TCP, MPTCP or QUIC connection came up, at the side that connects."""


class ConnectionLost(Gone, tag="connection.lost"):
    """The TCP, MPTCP or QUIC connection broke, or what came over it was no stream of messages."""

    reason: str = ""
    """in words, of a QUIC connection; `error` is then QUIC's (RFC 9000, 20)"""


class ConnectionFailed(Gone, tag="connection.failed"):
    """The TCP, MPTCP or QUIC connection could not be set up."""

    reason: str = ""
    """in words, of a QUIC connection; `error` is then QUIC's (RFC 9000, 20)"""


class FlowUp(Up, tag="flow.up"):
    """The other end of a UDP flow is named; nothing was sent for it."""


class OtherNotice(Notice, tag="notification"):
    """Something else that the kernel reports of an association."""

    number: int = 0
    """its type (RFC 6458, 6.1)"""


class Data(Event):
    """One message of a stream; reported by endpoints, many together, up to 250 ms after it happened."""

    session: int
    dir: Way
    seq: int
    """the message's number in its direction, from 0"""


class DataSent(Data, tag="data.sent"):
    """The application handed a message to its association."""


class DataUnsent(Data, tag="data.unsent"):
    """A message was due while the session had no association; it counts as sent and not delivered."""


class DataReceived(Data, tag="data.received"):
    """A message was delivered to the application."""


class PathState(Event, tag="path.state"):
    """What the stack keeps for one path; sampled while a stream over SCTP or QUIC sends, when it has changed."""

    session: int
    address: str
    """the peer's address that the path leads to"""
    cwnd: int
    """congestion window, bytes"""
    rto_ms: int
    """its timer, ms: SCTP's RTO, or QUIC's PTO without backoff"""
    srtt_ms: int
    """smoothed round-trip time, ms; 0 before the first measurement"""


class KernelState(Event):
    """What a kernel keeps for SCTP in a node's namespace (/proc/net/sctp)."""

    associations: int
    peer_addresses: int
    local_addresses: int
    """of the associations, whatever their sockets are bound to"""


class SctpState(KernelState, tag="sctp.state"):
    """An account that a scenario asked a node for."""


class CookieState(KernelState, tag="cookie.state"):
    """An account before or after a tried cookie (FIG. 5)."""


# -- NICs: what the network does, emitted for the NIC's node with the time just before the kernel was asked ----------------


class NicEvent(Event):
    """A change that the lab made to a NIC."""

    nic: str
    """the NIC's name"""


class NicConfigure(NicEvent, tag="nic.configure"):
    """A NIC was given addresses and default routers."""

    addresses: tuple[str, ...]
    """with prefix lengths"""
    gateways: tuple[str, ...] = ()


class NicDeconfigure(NicEvent, tag="nic.deconfigure"):
    """Addresses were taken from a NIC."""

    addresses: tuple[str, ...]
    """with prefix lengths"""


class NicDown(NicEvent, tag="nic.down"):
    """A NIC's link went down."""

    admin: bool = False
    """whether the NIC itself was switched off, and not its far end"""


class NicUp(NicEvent, tag="nic.up"):
    """A NIC's link came up again."""

    admin: bool = False
    """whether the NIC itself was switched on, and not its far end"""


class NicAttach(NicEvent, tag="nic.attach"):
    """A NIC was added to a running node."""

    segment: str
    """where it is plugged in"""


class NicDetach(NicEvent, tag="nic.detach"):
    """A NIC was removed from a running node."""


class NicUnplug(NicEvent, tag="nic.unplug"):
    """A NIC was taken off its segment; it stays, without a carrier."""

    segment: str | None = None
    """the segment that it left"""


class NicPlug(NicEvent, tag="nic.plug"):
    """An unplugged NIC was put on a segment."""

    segment: str


class NicMove(NicEvent, tag="nic.move"):
    """A NIC was taken from one segment and put on another, with no time in between."""

    segment: str
    before: str | None = None
    """the segment that it left"""


class NicImpair(NicEvent, tag="nic.impair"):
    """What a NIC's link does to packets was changed."""

    options: dict[str, Any] = msgspec.field(default_factory=dict)
    """the link parameters that were changed, by their Mininet names (docs/network.md)"""


# -- NICs and addresses as a mobile node sees them ---------------------------------------------------------------------


class LinkUp(Event, tag="link.up"):
    """A NIC gained its carrier; emitted by the mobile node, from netlink."""

    nic: str


class LinkDown(Event, tag="link.down"):
    """A NIC lost its carrier; emitted by the mobile node, from netlink."""

    nic: str


class AddressUp(Event, tag="address.up"):
    """An address of the session's family became usable on a NIC; emitted by the mobile node, from netlink."""

    nic: str
    address: str


class AddressDown(Event, tag="address.down"):
    """An address is gone from a NIC; emitted by the mobile node, from netlink."""

    nic: str
    address: str


# -- requests to the peer (RFC 5061) -----------------------------------------------------------------------------------


class AsconfWay(Event, tag="asconf.way"):
    """The mobility manager starts: who puts new addresses into ASCONFs."""

    way: str
    """`socket`, `kernel` or `rewriting`"""


class AsconfRequest(Event, tag="asconf.request"):
    """The mobility manager asks the kernel for a request to the peer."""

    verb: str
    """`ADD IP`, `SET PRIMARY` or `DELETE IP`"""
    address: str


class AsconfUnasked(Event, tag="asconf.unasked"):
    """The kernel refused to ask the peer."""

    verb: str
    address: str
    error: str


class AsconfAcknowledged(Event, tag="asconf.acknowledged"):
    """An ASCONF-ACK arrived at the mobile node."""

    refused: tuple[str, ...] = ()
    """the requests that the peer refused: verb and address"""


class AsconfRewritten(Event, tag="asconf.rewritten"):
    """A packet of the kernel's was changed on its way out (way `rewriting`)."""

    was: str
    """the chunk that the kernel made"""
    now: str
    """the chunk that left"""


class AsconfUnchanged(Event, tag="asconf.unchanged"):
    """A packet that should have been changed on its way out left as it was."""

    reason: str


# -- FIG. 8: the radio -------------------------------------------------------------------------------------------------


class RadioLevel(Event, tag="radio.level"):
    """A sample of the radio: what each NIC hears now; emitted by the lab."""

    levels: dict[str, float]
    """dBm by NIC"""


class RadioDecision(Event):
    """The mobile node decided by signal levels what becomes of a NIC."""

    nic: str
    levels: dict[str, float]
    """dBm by NIC, at that instant"""


class RadioAttach(RadioDecision, tag="radio.attach"):
    """A NIC is heard well enough to be used."""


class RadioPrefer(RadioDecision, tag="radio.prefer"):
    """A NIC has been heard better than the one in use for long enough."""


class RadioRemove(RadioDecision, tag="radio.remove"):
    """A NIC has faded and is given up."""
