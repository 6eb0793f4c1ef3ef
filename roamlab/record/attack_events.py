"""Events of attacks, and of packets that no stack would send."""

from __future__ import annotations

from roamlab.record.event import Event


class AttackStakes(Event, tag="attack.stakes"):
    """What an attacker plays for; emitted by the lab before the attack."""

    addresses: tuple[str, ...]
    """the attacker's own, or its victim's"""
    where: str
    """the node that they lead to"""
    target: str
    """the node that is attacked"""
    concedes: tuple[str, ...]
    """what this kernel is expected to let the attacker have (roamlab.judge.gains.KINDS)"""
    position: str
    """`off-path`, `on-path` or `inside`"""


class AttackSession(Event, tag="attack.session"):
    """The lab starts a stream for the attacker; it doesn't count as the session's."""

    session: int


class AttackOverheard(Event, tag="attack.overheard"):
    """An attacker has seen an association pass, and knows it now."""

    mobile: str
    correspondent: str
    sport: int
    """the mobile node's port"""
    dport: int


class AttackSent(Event, tag="attack.sent"):
    """An attacker sent one packet."""

    act: int
    """the attack's number in the run: that of its stimulus"""
    source: str
    """the packet's source address; of a tunnelled one, the inner one's"""
    data: str
    """what the IP packet carries, in hexadecimal; of UDP its payload"""
    forged: bool
    """whether it claims to be the mobile node's"""
    udp: bool
    """UDP, and not SCTP"""
    tunnelled: bool = False


class AttackUnsent(Event, tag="attack.unsent"):
    """An attacker could not do what it was told; the attack did not happen and the run is invalid."""

    reason: str
    act: int = 0
    """the attack's number in the run"""


class RawSent(Event, tag="raw.sent"):
    """An endpoint of roamlab's own sent one packet that it was told to send."""

    act: int
    """the packet's number in the run: that of its stimulus"""
    port: int
    """the association, by its own port"""
    source: str
    data: str
    """the SCTP packet in hexadecimal"""


class CookieEchoed(Event, tag="cookie.echo"):
    """A prober sends a cookie back."""

    port: int
    """the association, by its own port"""
    damaged: bool
    """whether one bit of it is wrong"""


class CookieMissing(Event, tag="cookie.none"):
    """A prober had no cookie to send back: no INIT-ACK had come. The probe did not happen and the run is invalid."""
