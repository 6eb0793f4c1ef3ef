"""Mininet topologies by name."""

from typing import Final

from roamlab.topologies.attacked import WithAttacker
from roamlab.topologies.crowd import Crowd
from roamlab.topologies.figure1 import HomeAndVisited
from roamlab.topologies.roaming import RoamingTopo, Segment
from roamlab.topologies.three_visited import ThreeVisited
from roamlab.topologies.two_mobiles import TwoMobiles
from roamlab.topologies.two_segments import TwoSegments

TOPOLOGIES: Final[dict[str, type[RoamingTopo]]] = {
    "Crowd": Crowd,
    "HomeAndVisited": HomeAndVisited,
    "ThreeVisited": ThreeVisited,
    "TwoMobiles": TwoMobiles,
    "TwoSegments": TwoSegments,
    "WithAttacker": WithAttacker,
}

__all__ = [
    "TOPOLOGIES",
    "Crowd",
    "HomeAndVisited",
    "RoamingTopo",
    "Segment",
    "ThreeVisited",
    "TwoMobiles",
    "TwoSegments",
    "WithAttacker",
]
