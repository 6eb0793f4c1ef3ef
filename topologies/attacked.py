"""FIG. 1 with those that an attack takes: an attacker, addresses of its own, and a victim that never answers.

    visited ── fa
     ├ pc16      the attacker off the path; the addresses of ATTACKER lead to it, and its kernel does not know them
     └ victim    a host without a way back: what it is sent, or any address of VICTIMS, arrives; nothing ever comes from it

An attacker on the path is the router ``internet``, which forwards all that mobile node and correspondent node say.
"""

from typing import Final

from roamlab.topologies.addresses import ATTACKER, PC16, VICTIM, VICTIMS, VISITED
from roamlab.topologies.figure1 import HomeAndVisited

OFF_PATH: Final = "pc16"
ON_PATH: Final = "internet"
VICTIM_NODE: Final = "victim"


class WithAttacker(HomeAndVisited):
    """FIG. 1 and the victim. It takes HomeAndVisited's parameters."""

    def __init__(self, *args: object, **params: object) -> None:
        super().__init__(*args, **params)
        self.nodeInfo("fa")["routes"] |= {
            **ATTACKER.routes(VISITED, PC16),
            **VICTIMS.routes(VISITED, VICTIM),
        }
        self.add_host(VICTIM_NODE, self.visited, VICTIM, gateways=False)
