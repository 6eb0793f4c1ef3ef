"""Debian's packages without root: apt's own clients, which check every signature, in a state directory of our own.

The machine's package lists and sources stay as they are. The mirror is the one that the machine already uses.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from roamlab.kernels.build.errors import BuildError

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_INDEX = re.compile(r"^'(\S+)/dists/(\S+)/InRelease' ", re.MULTILINE)
_CODENAME = re.compile(r"^Codename: (\S+)$", re.MULTILINE)
_ROLLING = ("stable", "testing", "unstable", "sid")


@dataclass(frozen=True, slots=True)
class Apt:
    """apt's clients with a scratch folder `state` and nothing of the machine's state.

    `sources` are the only ones: mirrors and suites.
    """

    state: Path
    sources: tuple[tuple[str, str], ...]

    @property
    def suites(self) -> str:
        """The suites, for sentences."""
        return ", ".join(suite for _, suite in self.sources)

    def run(self, *command: str) -> str | None:
        """Run one of apt's programs there; None if it fails."""
        listed = self.state / "sources.list"
        for folder in ("lists/partial", "cache/archives/partial"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
        listed.write_text("".join(f"deb {signed}{uri} {suite} main\n" for uri, suite in self.sources))
        options = {
            "Dir::Etc::SourceList": listed,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": self.state / "lists",
            "Dir::Cache": self.state / "cache",
            # Pins of the machine are for the machine.
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Acquire::Languages": "none",
            "Acquire::AllowInsecureRepositories": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "APT::Update::Error-Mode": "any",
        }
        if (user := _user()) is not None:
            # apt's own user can't write into our state directory.
            options["APT::Sandbox::User"] = user
        settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        program, *rest = command
        done = subprocess.run(
            [program, *settings, *rest],
            cwd=self.state,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout if done.returncode == 0 else None

    def codename(self) -> str:
        """Read the only suite's own name, for an alias such as stable; after an update."""
        (release,) = (self.state / "lists").glob("*InRelease")
        found = _CODENAME.search(release.read_text(errors="replace"))
        return found[1] if found else self.suites


def _user() -> str | None:
    """Name the user that apt's fetchers are to be, where it isn't the one who calls."""
    return "root" if os.geteuid() == 0 else None


def machines_mirror() -> tuple[str, str, str]:
    """Give the machine's Debian mirror, its suite's codename, and its mirror of security updates ("" where it has none).

    Raises BuildError where the machine has no apt, or no Debian mirror.
    """
    try:
        listed = subprocess.run(
            ["apt-get", "update", "--print-uris"], capture_output=True, text=True, stdin=subprocess.DEVNULL
        ).stdout
        told = Path("/etc/os-release").read_text()
    except OSError as error:
        raise BuildError("apt is not installed, so packages cannot be fetched") from error
    codename = re.search(r"^VERSION_CODENAME=\"?([\w-]+)", told, re.MULTILINE)
    own = codename[1] if codename else "stable"
    indexes = _INDEX.findall(listed)
    mirrors = [uri for uri, suite in indexes if suite in (own, *_ROLLING)]
    if not mirrors or not re.search(r"^ID=\"?debian", told, re.MULTILINE):
        raise BuildError("apt has no Debian mirror among its sources")
    security = [uri for uri, suite in indexes if suite == f"{own}-security"]
    return mirrors[0], own, (security or [""])[0]
