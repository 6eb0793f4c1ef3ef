"""The Identification field: matching replies to requests, and replay protection (RFC 5944, 5.7).

Its low-order 32 bits are copied into the reply by everybody, so a reply can be matched. Its high-order 32 bits belong
to the style of replay protection: seconds of an NTP timestamp (5.7.1), or the home agent's nonce (5.7.2).
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Protocol

SECOND = 1_000_000_000
NTP_UNIX_OFFSET = 2_208_988_800
"""Seconds from NTP's epoch (1900) to Unix's (1970)."""
WINDOW = 7 * SECOND
"""How far a request's timestamp may be from the home agent's clock (RFC 5944, 5.7.1)."""

_LOW = 0xFFFFFFFF
_ALL = 0xFFFFFFFFFFFFFFFF
_HALF = 1 << 63


class ReplayProtection(StrEnum):
    """The style of replay protection of a mobility security association."""

    TIMESTAMPS = "timestamps"
    NONCES = "nonces"


@dataclass(frozen=True, slots=True)
class Check:
    """What a home agent found: `valid`, and the Identification that its reply has to carry."""

    valid: bool
    reply: int


class ReplayGuard(Protocol):
    """The home agent's memory of one mobile node's identifications."""

    def check(self, identification: int, now: int) -> Check:
        """Judge an authenticated request's identification; a valid one is used up."""


def low(identification: int) -> int:
    """Return the low-order 32 bits."""
    return identification & _LOW


def high(identification: int) -> int:
    """Return the high-order 32 bits."""
    return identification >> 32


def join(upper: int, lower: int) -> int:
    """Return the 64 bits with these halves."""
    return (upper & _LOW) << 32 | lower & _LOW


def timestamp(now: int) -> int:
    """Return `now` (ns since 1970) as a 64-bit NTP timestamp; eras wrap, as NTP's do in 2036."""
    seconds, nanoseconds = divmod(now, SECOND)
    return join(seconds + NTP_UNIX_OFFSET, (nanoseconds << 32) // SECOND)


def ahead(one: int, other: int) -> int:
    """Return by how much timestamp `one` is later than `other`, in units of 2**-32 s; over the era's end too."""
    return (one - other + _HALF & _ALL) - _HALF


class TimestampGuard:
    """Accepts a timestamp within the window of its own clock that is later than every one accepted before."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = (window << 32) // SECOND
        self._last: int | None = None

    def check(self, identification: int, now: int) -> Check:
        """On a mismatch the reply carries this clock's seconds, so that the mobile node can set its own."""
        clock = timestamp(now)
        in_window = abs(ahead(identification, clock)) <= self._window
        if in_window and (self._last is None or ahead(identification, self._last) > 0):
            self._last = identification
            return Check(valid=True, reply=identification)
        return Check(valid=False, reply=join(high(clock), low(identification)))


class NonceGuard:
    """Accepts a request that returns the nonce of the last reply; every reply carries a new one."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._nonce: int | None = None

    def check(self, identification: int, now: int) -> Check:  # noqa: ARG002 - nonces have no clock
        """On a mismatch the new nonce in the reply lets the mobile node's next request match."""
        valid = high(identification) == self._nonce
        before = self._nonce
        while self._nonce == before:
            self._nonce = self._random.getrandbits(32)
        return Check(valid, reply=join(self._nonce or 0, low(identification)))


class TimestampSource:
    """The mobile node's identifications under timestamps: always rising, corrected by the home agent's clock."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._offset = 0
        self._last: int | None = None

    @property
    def offset(self) -> int:
        """By how many nanoseconds the home agent's clock was found ahead of the mobile node's."""
        return self._offset

    def next(self, now: int) -> int:
        """Return a new identification; the bits below a nanosecond are random (RFC 5944, 5.7.1)."""
        value = timestamp(now + self._offset) | self._random.getrandbits(2)
        if self._last is not None and ahead(value, self._last) <= 0:
            value = self._last + 1 & _ALL
        self._last = value
        return value

    def accepted(self, reply: int) -> None:
        """Nothing to learn: the reply repeats the request's timestamp."""

    def mismatch(self, sent: int, reply: int) -> None:
        """Learn the home agent's clock from a reply 133 to `sent`; one second apart is rounding, not a wrong clock."""
        seconds = ahead(join(high(reply), 0), join(high(sent), 0)) >> 32
        if abs(seconds) > 1:
            self._offset += seconds * SECOND
            self._last = None


class NonceSource:
    """The mobile node's identifications under nonces: the home agent's last nonce, then a nonce of its own."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._nonce = random.getrandbits(32)
        self._own = 0

    def next(self, now: int) -> int:  # noqa: ARG002 - nonces have no clock
        """Return a new identification, whose low-order half differs from the one before."""
        before = self._own
        while self._own == before:
            self._own = self._random.getrandbits(32)
        return join(self._nonce, self._own)

    def accepted(self, reply: int) -> None:
        """Keep the nonce for the next request."""
        self._nonce = high(reply)

    def mismatch(self, sent: int, reply: int) -> None:  # noqa: ARG002 - the reply alone says it
        """Keep the new nonce, so that the next request matches."""
        self._nonce = high(reply)
