"""The floor below network and agents: what both ask of the kernel, and the only room that knows how it is asked.

Netlink (routes, devices, nftables), network namespaces, timers, socket options and prctl. Nothing here knows a topology, an
agent or a protocol of roamlab's.
"""
