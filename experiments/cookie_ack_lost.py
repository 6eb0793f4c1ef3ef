"""A set-up whose last packet is lost (RFC 9260, 5.2.4, D)."""

from typing import Final

from roamlab.lab.known import by_kernel
from roamlab.lab.lab import Family, Lab, Style
from roamlab.lab.raw import CookieEcho, beside_a_session
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker

SILENT: Final = {"7.3": ("silence",)}
"""An accepted socket takes the cookie that brought it for a forged one (docs/findings.md, 19)."""


@scenario("cookie-ack-lost", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED)
def cookie_ack_lost(lab: Lab, listening: Style = "one-to-one", family: Family = 4) -> None:
    """A client that never got COOKIE-ACK retransmits COOKIE-ECHO and must be answered again (RFC 9260, 5.2.4, D)."""
    lab.correspondent.style = listening
    if listening == "one-to-one" and by_kernel(SILENT, mended_by="cookie-key"):
        lab.expect(Verdict.BROKE)
    one = lab.at(2.0).associate(beside_a_session(lab, family), tsn=1000)
    lab.at(5.0).say(one, CookieEcho(), answers=["COOKIE-ACK"])
    lab.until(10.0)
