"""roamlab tests whether a network session survives when a host moves to another network."""

__version__ = "0.2.0"
