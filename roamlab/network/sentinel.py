"""Knowing when the kernel has drawn the consequences of a carrier's change.

A carrier comes and goes at once, but a worker of the kernel's own (net/core/link_watch.c) tells the rest of it later, in
order: until then a NIC's queue swallows what is sent, a bridge's port forwards nothing, and a host hears nothing of it.
The sentinel is a pair of virtual NICs of no other use. Its carrier is changed after the others', so when the worker has
come to the sentinel it is through with them.
"""

import time
from typing import Final

from roamlab.linux.errors import NetworkError
from roamlab.linux.namespace import Namespace
from roamlab.linux.rtnetlink import set_link, veth
from roamlab.network.ethernet import is_running

_NAME: Final = "sentinel"
# What it sleeps, in seconds: the worker mostly needs one moment. To yield the processor instead gives it to nobody of lower
# priority, and in virtual time the worker is (roamlab/lab/settling.py).
_SLEEPS: Final = (*(1e-6,) * 200, *(1e-3,) * 5000)


class Sentinel:
    """A pair of virtual NICs in a namespace."""

    def __init__(self, namespace: Namespace, index: int, peer_index: int) -> None:
        """Make the pair."""
        self._namespace, self._peer = namespace, peer_index
        namespace.rtnl.do(
            veth(
                name=_NAME,
                index=index,
                mac="02:01:00:00:00:01",
                namespace=namespace.fd,
                peer=f"{_NAME}-peer",
                peer_index=peer_index,
                peer_mac="02:01:00:00:00:02",
                peer_namespace=namespace.fd,
            )
        )
        # A NIC begins in an unknown state, which passes for running, and what happens to one that is down may wait for a
        # second; a change while it is up is worked on at once, and leaves it without a carrier.
        namespace.rtnl.do(set_link(peer_index, up=True), set_link(peer_index, up=False))
        self._carrier = False
        self._wait()

    def settle(self) -> None:
        """Wait until the worker has done all changes of carriers up to now.

        Raises:
            NetworkError: it hasn't within 5 s.

        """
        self._carrier = not self._carrier
        self._namespace.rtnl.do(set_link(self._peer, up=self._carrier))
        self._wait()

    def _wait(self) -> None:
        for seconds in _SLEEPS:
            if is_running(self._namespace, _NAME)[1] is self._carrier:
                return
            time.sleep(seconds)
        raise NetworkError("the kernel's link watch worker doesn't run")
