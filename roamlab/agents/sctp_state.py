"""What the kernel keeps for the SCTP associations of this network namespace, as /proc tells it."""

from __future__ import annotations

from pathlib import Path

_PEERS = Path("/proc/net/sctp/remaddr")
_ASSOCIATIONS = Path("/proc/net/sctp/assocs")


def sctp_state() -> tuple[int, int, int]:
    """Counts of associations, their peer addresses and local addresses.

    Local addresses are those of the associations, whatever their sockets are bound to.
    """
    rows = _ASSOCIATIONS.read_text().splitlines()[1:]
    peers = len(_PEERS.read_text().splitlines()) - 1
    return len(rows), peers, sum(len(local_addresses(row)) for row in rows)


def local_addresses(row: str) -> list[str]:
    """The local addresses in a line of /proc/net/sctp/assocs: what stands before "<->", without the port's columns."""
    before = row.partition("<->")[0].split()
    found = []
    for word in reversed(before):
        if not ("." in word or ":" in word):
            break
        found.append(word.lstrip("*"))
    return found
