"""Mininet topologies by name."""

from typing import Final

from topologies.attacked import WithAttacker
from topologies.figure1 import HomeAndVisited
from topologies.roaming import RoamingTopo, Segment
from topologies.two_segments import TwoSegments

TOPOLOGIES: Final[dict[str, type[RoamingTopo]]] = {
    "HomeAndVisited": HomeAndVisited,
    "TwoSegments": TwoSegments,
    "WithAttacker": WithAttacker,
}

__all__ = ["TOPOLOGIES", "HomeAndVisited", "RoamingTopo", "Segment", "TwoSegments", "WithAttacker"]
