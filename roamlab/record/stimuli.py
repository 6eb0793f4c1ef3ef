"""What a scenario does to a run, one class a verb; each says what the capture must show of it (roamlab/judge/witness.py).

A stimulus is an event: the lab emits it the moment it acts. A run in whose capture one of them is not to be seen is invalid.
"""

from __future__ import annotations

import msgspec

from roamlab.protocols.mobility import Verb
from roamlab.record.event import Event

UNSAID = 0
"""In the place of an error cause: the request is not carried out, for one before it was refused, and the answer says no word
of it (RFC 5061, 5.1, A7)."""
ANYHOW = -1
"""In the place of an error cause: the request is not carried out, whatever the answer says of it, or nothing."""


class Stimulus(Event, kw_only=True):
    """Something that a scenario does at one instant, to the node ``node``."""

    at_s: float = 0.0
    """when, in s since the run's start, to the hundredth: what a verdict calls it by"""
    nic: str = ""
    """the NIC that it is done to, where it is done to one"""

    @property
    def action(self) -> str:
        """The verb: the kind without the word before it."""
        return self.kind.removeprefix("stimulus.")

    @property
    def words(self) -> str:
        """The stimulus in words: what is done, and to what."""
        return f"{self.action} {self.nic}".strip()


class Arrival(Stimulus, kw_only=True):
    """A NIC comes to a segment. Witness: a packet from its new address leaves that NIC, or none for its old one comes."""

    to: str
    """the segment"""
    new: str = ""
    """the address that the NIC gets there; none where it keeps its home address"""
    old: str = ""
    """the address that it had before, if it had one"""
    expects: tuple[Verb, ...] = ()
    """the requests that it must lead to (RFC 5061, 4.2)"""
    up_ns: int = 0
    """one-way delay from there to the correspondent node"""
    down_ns: int = 0
    """one-way delay from the correspondent node to there"""
    peer: str = ""
    """the node that the delays are to, where the node has sessions with several"""


class Move(Arrival, tag="stimulus.move"):
    """A NIC leaves its segment and is plugged into another.

    Witness with Mobile IP: the agent ``heard`` advertises itself to that NIC.
    """

    gap_s: float = 0.0
    """how long it has no link in between, s"""
    heard: str = ""
    """with Mobile IP: the address of the agent there"""
    care_of: str = ""
    """with Mobile IP: the care-of address to register; none at home"""
    agent_up_ns: int = 0
    """with Mobile IP: one-way delay from there to the home agent"""
    agent_down_ns: int = 0
    """with Mobile IP: one-way delay from the home agent to there"""


class Attach(Arrival, tag="stimulus.attach"):
    """A NIC is added to the running node, on a segment (make before break).

    Witness: a packet from its new address leaves it, or it was captured on after and never before.
    """


class Reconnect(Arrival, tag="stimulus.reconnect"):
    """The node ends its association, gets a NIC on another segment, and sets up another association over it (FIG. 6)."""


class Readdress(Arrival, tag="stimulus.readdress"):
    """A NIC that stays where it is gets other addresses, as in a network that renumbers.

    Witness: as of any NIC that gets an address, or packets went on coming for the old one and none left from it.
    """

    overlap_s: float = 0.0
    """how long it has the old ones too, s"""


class Detach(Stimulus, tag="stimulus.detach"):
    """A NIC is taken out of the running node. Witness: it was captured on before, and never after."""

    old: str
    """the address that it had"""


class LinkDown(Stimulus, tag="stimulus.link_down"):
    """A NIC loses its link where it is. Witness: a packet for ``old`` leaves its sender and never comes."""

    old: str
    """its address"""


class LinkUp(Stimulus, tag="stimulus.link_up"):
    """A NIC gets its link back. Witness: a packet comes to it."""

    new: str
    """its address"""


class Impair(Stimulus, tag="stimulus.impair"):
    """What a NIC's link does to packets changes; what is not named stays as it was.

    Witness: what crosses the link between the NIC and the router takes as long, is lost, or is slowed down as it is said.
    """

    router: str
    """the router at the link's other end"""
    segment: str
    """the segment, by whose name the router's port goes"""
    delay: float | None = None
    """one way, s"""
    loss: float | None = None
    """percent"""
    bw: float | None = None
    """Mbit/s"""


class Fade(Stimulus, tag="stimulus.fade"):
    """The signal of a NIC fades, and loss and rate of its link follow it (FIG. 8). Witness: a packet is lost on the link."""

    router: str
    """the router at the link's other end"""
    segment: str
    """the segment, by whose name the router's port goes"""
    over_s: float
    """how long it takes, s"""
    level: float
    """where it ends, dBm"""


class Allow(Stimulus, tag="stimulus.allow"):
    """Routers let through again what they dropped. Witness: a packet for ``new`` comes."""

    new: str
    """the address at the path's end"""
    router: str


class Rebind(Stimulus, tag="stimulus.rebind"):
    """A NAT forgets its connections and gives new ones other ports, while the node behind it stays where it is.

    Witness: the peer gets packets from a port of ``outside`` that it had none from before, or what it sends to the ports from
    before does not come any more.
    """

    router: str
    """the NAT"""
    outside: str
    """its address outside"""


class Kill(Stimulus, tag="stimulus.kill"):
    """A node's agent is killed, as a crash of the program would; its host goes on.

    Witness: the node sent messages before, and none after until it is started again.
    """


class Start(Stimulus, tag="stimulus.start"):
    """A node's agent that was killed starts again. Witness: the node sets up an association or sends messages."""


class Block(Stimulus, tag="stimulus.block"):
    """A path dies: routers drop what is sent over it. Witness: a packet for ``old`` leaves its sender and never comes."""

    old: str
    """the address at the path's end"""


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One request that a scenario has a node make."""

    verb: str
    """`ADD IP`, `SET PRIMARY`, `DELETE IP`, or the type of an unknown parameter in hexadecimal"""
    address: str = ""
    refused: int | None = None
    """the error cause to expect, UNSAID (0) or ANYHOW (-1); none where it must be granted"""
    id: int = -1
    """its correlation ID; -1 for an unknown parameter, which has none"""

    @property
    def words(self) -> str:
        """The request in words."""
        return f"{self.verb} {self.address}".strip()


class Ask(Stimulus, tag="stimulus.ask"):
    """A node asks for these requests in one ASCONF. Witness: an ASCONF with just these leaves it."""

    requests: tuple[Asked, ...]

    @property
    def words(self) -> str:
        """The requests."""
        return "ask " + ", ".join(request.words for request in self.requests)


class Announced(Stimulus):
    """A node's addresses change. Witness: an ASCONF of the node's says so."""


class Renumber(Announced, tag="stimulus.renumber"):
    """A node gets another address in service, or loses one again."""

    new: str = ""
    old: str = ""


class Release(Announced, tag="stimulus.release"):
    """A node takes an address from its association, through the socket."""

    old: str


class Favour(Announced, tag="stimulus.favour"):
    """A node asks its peer to send to one of its addresses (SET PRIMARY)."""

    primary: str
    peer_port: int
    """the association, by the peer's port"""


class Cookie(Stimulus, tag="stimulus.cookie"):
    """A prober sends a cookie back (FIG. 5). Witness: a COOKIE-ECHO reaches the correspondent node."""

    echo: str
    """`right`, `replayed`, `wrong` or `stale`"""
    sets_up: int
    """how many associations it must set up"""

    @property
    def words(self) -> str:
        """What is sent."""
        return f"COOKIE-ECHO with a {self.echo} cookie"


class Made(Stimulus):
    """A packet that no stack sends. Witness: every packet of ``act`` leaves the node and comes to ``target``."""

    what: str
    """what is sent, in words"""
    act: int
    """its number in the run: that of the `attack.sent` or `raw.sent` events"""
    target: str
    """the node that it is meant for"""

    @property
    def words(self) -> str:
        """What is sent."""
        return f"{self.action}: {self.what}"


class Attack(Made, tag="stimulus.attack"):
    """An attacker acts."""


class RawPacket(Made, tag="stimulus.packet"):
    """An endpoint of roamlab's own sends a packet (the raw way)."""

    port: int
    """the association, by its own port"""
    answers: tuple[str, ...]
    """the packets that must come back within 0.9 s, each as its chunks in their order"""


class Crash(Stimulus, tag="stimulus.crash"):
    """A mobility agent's process dies, its host goes on.

    Witness: it advertised before, and never after, or not until it is revived.
    """


class Fail(Stimulus, tag="stimulus.fail"):
    """A mobility agent's host dies. Witness: it was captured before, and not after, or not until it is back or revived."""

    back_s: float = 0.0
    """after how many seconds it starts again; 0 for never"""


class Revive(Stimulus, tag="stimulus.revive"):
    """A mobility agent that died starts again, knowing nothing of before. Witness: it advertises itself again."""


class RegistrationStimulus(Stimulus):
    """A mobile node's Mobile IP is told to do something."""


class Halt(RegistrationStimulus, tag="stimulus.halt"):
    """Mobile IP falls silent, the sessions go on. Witness: Registration Requests before, none after."""


class Withdraw(RegistrationStimulus, tag="stimulus.withdraw"):
    """The care-of address is deregistered from afar. Witness: a Registration Request that deregisters."""


class Replay(RegistrationStimulus, tag="stimulus.replay"):
    """The last Registration Request is sent again. Witness: the same request before and after."""
