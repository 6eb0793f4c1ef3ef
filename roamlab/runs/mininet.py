"""Stock Mininet in a guest: Open vSwitch is started first, then an unmodified script of Mininet's. And a table of its tests."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from roamlab.errors import BadInput
from roamlab.kernels.job import Kernel
from roamlab.record.command import STDERR, STDOUT
from roamlab.record.guarded import printable
from roamlab.runs.command import Ran, Request, execute

EXAMPLES: Final = Path("/usr/share/doc/mininet/examples/test")
"""Where Debian's package has the tests of Mininet's examples. Those of Mininet itself are in its sources, as mininet/test."""
PYTHON: Final = "/usr/bin/python3"
"""The Python that Debian's Mininet is installed for."""
_FILE: Final = Path(__file__).with_name("mininet.toml")
_OVS: Final = Path("/usr/share/openvswitch/scripts/ovs-ctl")
_LINE: Final = (
    "apt-get install mininet openvswitch-switch openvswitch-testcontroller iperf iptables telnet vlan"
)
_START: Final = """ulimit -Sn 8192
command -v python > /dev/null || ln -s python3 /usr/bin/python
command -v controller > /dev/null || ln -s ovs-testcontroller /usr/bin/controller
if [ -x OVS ]; then
    OVS --no-monitor --system-id=roamlab start > /run/ovs-ctl.log 2>&1 || { cat /run/ovs-ctl.log >&2; exit 1; }
fi
exec "$@"
""".replace("OVS", str(_OVS))
"""What a Mininet machine has besides its packages: the two names that Mininet's installer makes, and Open vSwitch running.

mnexec closes every descriptor that there may be, one call each, which would take a second of virtual time each time.
"""
_MOST: Final = 1 << 22  # bytes of a test's output that are read
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_ENDED: Final = re.compile(r"^(OK|FAILED)(?: \(([^)]*)\))?$", re.MULTILINE)
_RAN: Final = re.compile(r"^Ran (\d+) tests? in ([\d.]+)s$", re.MULTILINE)
_WRONG: Final = re.compile(
    r"^(?:[\w.]*(?:Error|Exception|EOF|TIMEOUT)\b.*|.*(?:[Cc]annot|not found|No such).*)$", re.MULTILINE
)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A test of Mininet's: its file's name without ``.py``, whether it is an example's, and what is known of how it ends.

    ``why`` is a sentence about a failure, from whoever looked into it; ``skips`` says why it is not played at all.
    """

    name: str
    example: bool = True
    why: str = ""
    skips: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What an entry came to: ``outcome`` is pass, fail or not played; ``said`` the test's own sum; ``why`` where it failed."""

    entry: Entry
    outcome: str
    said: str = ""
    why: str = ""

    @property
    def text(self) -> str:
        """A row of a Markdown table."""
        cells = (self.entry.name, self.outcome, self.said, self.why)
        return "| " + " | ".join(printable(cell.replace("|", "/")) for cell in cells) + " |"


def entries() -> list[Entry]:
    """All tests, in the order of the table."""
    return msgspec.convert(tomllib.loads(_FILE.read_text())["test"], list[Entry])


def prepared(request: Request) -> Request:
    """The request with Open vSwitch started before its command. Raises BadInput without Mininet on this machine."""
    if not Path("/usr/bin/mn").exists():
        raise BadInput(f"Mininet is not installed; install it with: {_LINE}")
    return replace(request, argv=("/bin/sh", "-c", _START, "sh", *request.argv))


def table(kernel: Kernel, request: Request, *, sources: Path | None, runs: Path) -> Iterator[Row]:
    """Play every test, each in a guest of its own, with what ``request`` says of memory, seed and limit.

    ``sources`` is a checkout of Mininet's, for the tests that are not in its package. Raises BadInput for one without them.
    """
    if sources is not None and not (sources / "mininet" / "test").is_dir():
        raise BadInput(f"{sources} is no checkout of Mininet: it has no mininet/test")
    for entry in entries():
        folder = EXAMPLES if entry.example else sources and sources.resolve() / "mininet" / "test"
        file = folder / f"{entry.name}.py" if folder else None
        if entry.skips or file is None or not file.is_file():
            missing = (
                "not in Mininet's package; name a checkout with --sources" if file is None else f"no {file}"
            )
            yield Row(entry, "not played", why=entry.skips or missing)
            continue
        words = prepared(replace(request, argv=(PYTHON, str(file), "-v")))
        yield row(entry, execute(words, kernel, runs=runs))


def row(entry: Entry, ran: Ran) -> Row:
    """What a test's output and exit status say."""
    said = "\n".join(_said(ran.run_dir / name) for name in (STDERR, STDOUT))
    ended, counted = list(_ENDED.finditer(said)), list(_RAN.finditer(said))
    sums = [f"{each[1]} in {float(each[2]):.0f} s" for each in counted[-1:]]
    told = ", ".join([*sums, *(each[2] for each in ended[-1:] if each[2])])
    if ran.status == 0 and ended and ended[-1][1] == "OK":
        return Row(entry, "pass", told)
    wrong = [found[0].strip() for found in _WRONG.finditer(said)]
    last = ran.reason or (wrong[-1][:160] if wrong else f"exit status {ran.status}")
    return Row(entry, "fail", told, entry.why or last)


def _said(path: Path) -> str:
    """What a guest's command said; a link in its place is not followed."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return _COLOUR.sub("", file.read(_MOST).decode("utf-8", "replace").replace("\r", ""))
    except OSError:
        return ""


def told(rows: Sequence[Row]) -> str:
    """How many passed, in a line."""
    passed = sum(each.outcome == "pass" for each in rows)
    played = sum(each.outcome != "not played" for each in rows)
    return f"{passed} of {played} played pass; {len(rows) - played} not played"
