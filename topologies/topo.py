"""Mininet's `Topo`, which has no types of its own: `topo.pyi` says what is used of it, so that mypy finds misspelt segments."""

from mininet.topo import Topo

__all__ = ["Topo"]
