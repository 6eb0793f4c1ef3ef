"""Mininet topologies by name."""

from typing import Final

from roamlab.topologies.attacked import WithAttacker
from roamlab.topologies.figure1 import HomeAndVisited
from roamlab.topologies.roaming import RoamingTopo, Segment
from roamlab.topologies.two_segments import TwoSegments

TOPOLOGIES: Final[dict[str, type[RoamingTopo]]] = {
    "HomeAndVisited": HomeAndVisited,
    "TwoSegments": TwoSegments,
    "WithAttacker": WithAttacker,
}

__all__ = ["TOPOLOGIES", "HomeAndVisited", "RoamingTopo", "Segment", "TwoSegments", "WithAttacker"]
