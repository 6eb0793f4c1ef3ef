"""tshark's dissector of Mobile IP reads real runs' captures as we do."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from experiments.judging.registrations import advertisements, registrations
from protocols.mobileip.advertisement import AgentAdvertisement
from protocols.mobileip.extensions import Authentication
from protocols.mobileip.identification import high, low
from protocols.mobileip.registration import RegistrationRequest
from tests.uml.mobile_ip_runs import Player, needs_lab_kernel

pytestmark = needs_lab_kernel


TSHARK_RUNS = (
    ("mip-move", {"transport": "udp", "onward": "true"}),
    ("fig01", {"reverse": "true", "encapsulation": "gre"}),
    ("fig01", {"replay": "nonces", "algorithm": "sha256"}),
    ("return-home", {}),
)


@pytest.mark.skipif(which("tshark") is None, reason="needs tshark: apt-get install tshark")
@pytest.mark.parametrize(
    ("name", "settings"), TSHARK_RUNS, ids=lambda v: v if isinstance(v, str) else "-".join(v)
)
def test_tshark_reads_the_registrations_as_we_do(
    mobile_ip: Player, name: str, settings: dict[str, str]
) -> None:
    run = mobile_ip(name, **settings)
    fields = (
        "type",
        "flags",
        "code",
        "life",
        "homeaddr",
        "haaddr",
        "coa",
        "ident",
        "ext.type",
        "auth.spi",
        "auth.auth",
    )
    rows = tshark(run.capture, "mip", "frame.number", *(f"mip.{name}" for name in fields))
    ours = [[str(packet.index + 1), *described(message)] for packet, message in registrations(run.trace)]
    assert [normal(row) for row in rows] == ours


@pytest.mark.skipif(which("tshark") is None, reason="needs tshark: apt-get install tshark")
@pytest.mark.parametrize(
    ("name", "settings"), TSHARK_RUNS, ids=lambda v: v if isinstance(v, str) else "-".join(v)
)
def test_tshark_reads_the_advertisements_as_we_do(
    mobile_ip: Player, name: str, settings: dict[str, str]
) -> None:
    run = mobile_ip(name, **settings)
    rows = tshark(
        run.capture,
        "icmp.type == 9",
        *("frame.number", "ip.src", "icmp.lifetime", "icmp.mip.seq", "icmp.mip.life", "icmp.mip.flags"),
        *("icmp.mip.coa", "icmp.mip.prefixlength"),
    )
    ours = [
        [str(packet.index + 1), str(packet.source), *advertised(m)] for packet, m in advertisements(run.trace)
    ]
    assert [[*row[:5], f"{int(row[5], 16):#06x}", *row[6:]] for row in rows] == ours


def tshark(capture: Path, condition: str, *fields: str) -> list[list[str]]:
    asked = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-r", str(capture), "-Y", condition, "-T", "fields", "-E", "occurrence=a", *asked]
    read = subprocess.run(
        command, check=True, capture_output=True, text=True, env={"TZ": "UTC", "PATH": "/usr/bin"}
    )
    return [line.split("\t") for line in read.stdout.splitlines()]


def normal(row: list[str]) -> list[str]:
    """A row of tshark's with its spellings made ours: flags as a number, times to the microsecond, bytes without colons."""
    frame, kind, flags, code, life, home, agent, care_of, ident, types, spi, auth = row
    flags = str(int(flags, 16)) if kind == "1" else ""
    spi = ",".join(str(int(s, 0)) for s in spi.split(","))
    return [
        frame,
        kind,
        flags,
        code,
        life,
        home,
        agent,
        care_of,
        moment(ident),
        types,
        spi,
        auth.replace(":", ""),
    ]


def described(message: Any) -> list[str]:
    request = isinstance(message, RegistrationRequest)
    authentications = [e for e in message.extensions if isinstance(e, Authentication)]
    seconds, fraction = high(message.identification), low(message.identification)
    # An NTP timestamp with its first bit clear is of the era that began in 2036 (RFC 4330, 3).
    era = 0 if seconds & 0x80000000 else 1 << 32
    time = datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds + era)
    return [
        str(message.TYPE),
        str(int(message.flags)) if request else "",
        "" if request else str(message.code),
        str(message.lifetime),
        str(message.home_address),
        str(message.home_agent),
        str(message.care_of_address) if request else "",
        f"{time:%Y-%m-%d %H:%M:%S}.{fraction * 10**6 >> 32:06d}",
        ",".join(str(e.type) for e in authentications),
        ",".join(str(e.spi) for e in authentications),
        ",".join(e.authenticator.hex() for e in authentications),
    ]


def moment(text: str) -> str:
    """tshark's "Nov 23, 2026 05:00:00.123456789 UTC" to the microsecond."""
    day, _, clock = text.removesuffix(" UTC").rpartition(" ")
    date = datetime.strptime(" ".join(day.split()), "%b %d, %Y").replace(tzinfo=UTC)
    whole, _, fraction = clock.partition(".")
    return f"{date:%Y-%m-%d} {whole}.{fraction[:6]}"


def advertised(message: AgentAdvertisement) -> list[str]:
    mobility = message.mobility
    assert mobility
    return [
        str(message.lifetime),
        str(mobility.sequence),
        str(mobility.registration_lifetime),
        f"{int(mobility.flags):#06x}",
        ",".join(map(str, mobility.care_of_addresses)),
        ",".join(map(str, message.prefix_lengths)),
    ]
