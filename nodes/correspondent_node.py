"""The correspondent node: the peer that stays where it is."""

from __future__ import annotations

from nodes.endpoint import Endpoint
from protocols.payload import Direction


class CorrespondentNode(Endpoint):
    """Listens for the mobile node's associations and sends its streams down them."""

    direction = Direction.DOWN
