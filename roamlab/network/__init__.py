"""Mininet's nodes and links made over netlink in one process, with NICs that come, go and move while hosts run."""
