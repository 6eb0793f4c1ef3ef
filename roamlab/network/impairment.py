"""What a link does to packets: delay, loss, rate and so on, as Mininet's TCLink names them, and how the kernel is told.

One direction of a link is one `Impairment`. netem models all of it, the rate included: with a rate it keeps packets in
order and has no burst, which HTB must have. Where only a rate is asked for, HTB does it, as in Mininet, on kernels
without netem too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from pyroute2.netlink.rtnl.tcmsg import tcmsg

from roamlab.linux.netlink import Request
from roamlab.linux.rtnetlink import encode

_NEWQDISC, _DELQDISC, _NEWTCLASS = 36, 37, 40
_CREATE, _CREATE_OR_CHANGE, _CHANGE = 0x1 | 0x600, 0x1 | 0x500, 0x1 | 0x100
_ROOT: Final = 0xFFFFFFFF
_NETEM, _HTB, _HTB_CLASS, _LEAF = 0x100000, 0x50000, 0x50001, 0x110000  # handles 10:, 5:, 5:1, 11:
_ETHERNET_LINKLAYER: Final = 1  # with it the kernel needs no rate table
_BURST_BYTES: Final = 15_000  # as Mininet
_DEFAULT_QUEUE: Final = 1000  # packets, netem's and pfifo's own default
_UNITS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def seconds(value: str | float) -> float:
    """A time as tc writes it ("5ms", "300us", "1s"), or a number of seconds.

    Raises:
        ValueError: no unit in a string (tc would mean microseconds, a reader something else), or not a time.

    """
    if isinstance(value, (int, float)):
        number = float(value)
    else:
        match = re.fullmatch(r"\s*([0-9.]+)\s*(s|ms|us)\s*", value)
        if match is None:
            raise ValueError(f"not a time: {value!r}; write it as 5ms, 300us or 1s")
        number = float(match[1]) * _UNITS[match[2]]
    if not 0 <= number <= 250:
        raise ValueError(f"not a delay netem can hold: {value!r}; 0 to 250 s")
    return number


@dataclass(frozen=True, slots=True)
class Impairment:
    """What happens to packets in one direction of a link.

    Attributes:
        delay: one-way delay in seconds.
        jitter: its variation in seconds, evenly spread; without a rate it may reorder packets.
        loss, duplicate, reorder, corrupt: percent of the packets; what is reordered skips the delay.
        bw: rate in Mbit/s; None is no limit.
        max_queue_size: packets that the link holds, those under way included; None is 1000.

    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    bw: float | None = None
    max_queue_size: int | None = None
    reorder: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0

    def __post_init__(self) -> None:
        for name in ("loss", "reorder", "duplicate", "corrupt"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} is a percentage: {getattr(self, name)!r}")
        if self.bw is not None and self.bw <= 0:
            raise ValueError(f"bw is a rate in Mbit/s above 0: {self.bw!r}")
        if self.max_queue_size is not None and self.max_queue_size < 1:
            raise ValueError(f"max_queue_size is a number of packets above 0: {self.max_queue_size!r}")
        if self.reorder and not self.delay:
            raise ValueError("reorder needs a delay: what is reordered skips it")

    def changed(self, options: Mapping[str, Any]) -> "Impairment":
        """The same with some options (the attributes; times also as strings) given new values.

        Raises:
            ValueError: a value out of range.

        """
        values = {name: options[name] for name in OPTIONS if name in options}
        for name in ("delay", "jitter"):
            if name in values:
                values[name] = seconds(values[name] or 0.0)
        for name in ("loss", "reorder", "duplicate", "corrupt"):
            if name in values:
                values[name] = float(values[name] or 0.0)
        return replace(self, **values)

    @property
    def netem(self) -> bool:
        """Whether it takes netem."""
        return any((self.delay, self.jitter, self.loss, self.reorder, self.duplicate, self.corrupt))

    @property
    def shape(self) -> str:
        """The kind of queueing discipline it takes; while it stays the same, packets under way survive a change."""
        if self.netem:
            return "netem"
        if self.bw is not None:
            return "htb"
        return "pfifo" if self.max_queue_size is not None else ""


OPTIONS: Final = tuple(field.name for field in fields(Impairment))
NONE: Final = Impairment()


def split(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part `options` into those of impairments, up and down among them, and the rest."""
    own = {name: value for name, value in options.items() if name in OPTIONS or name in ("up", "down")}
    return own, {name: value for name, value in options.items() if name not in own}


def both_ways(
    options: Mapping[str, Any], up: Impairment = NONE, down: Impairment = NONE
) -> tuple[Impairment, Impairment]:
    """(up, down) after `options`, whose "up" and "down" hold what is different in that direction.

    Raises:
        ValueError: an unknown option, or a value out of range.

    """
    for part in (options, options.get("up") or {}, options.get("down") or {}):
        unknown = [
            name for name in part if name not in OPTIONS and not (part is options and name in ("up", "down"))
        ]
        if unknown:
            raise ValueError(
                f"no such link option: {', '.join(unknown)}; there are {', '.join(OPTIONS)}, up, down"
            )
    common = {name: value for name, value in options.items() if name in OPTIONS}
    return (
        up.changed({**common, **(options.get("up") or {})}),
        down.changed({**common, **(options.get("down") or {})}),
    )


def requests(index: int, new: Impairment, old: Impairment = NONE) -> list[Request]:
    """What turns the impairment on device `index`'s way out from `old` into `new`."""
    result: list[Request] = []
    if old.shape and old.shape != new.shape:
        result.append(_request(index, _DELQDISC, 0x1, 0, _ROOT, "", None))
    fresh = old.shape != new.shape
    if new.shape == "netem":
        result.append(
            _request(index, _NEWQDISC, _CREATE_OR_CHANGE, _NETEM, _ROOT, "netem", _netem_options(new))
        )
    elif new.shape == "htb":
        assert new.bw is not None
        if fresh:
            init = {"version": 3, "rate2quantum": 10, "defcls": 1, "debug": 0, "direct_pkts": 0}
            options = {"attrs": [("TCA_HTB_INIT", init)]}
            result.append(_request(index, _NEWQDISC, _CREATE, _HTB, _ROOT, "htb", options))
        flags = _CREATE if fresh else _CHANGE
        result.append(_request(index, _NEWTCLASS, flags, _HTB_CLASS, _HTB, "htb", _htb_options(new.bw)))
        result.append(
            _request(index, _NEWQDISC, _CREATE_OR_CHANGE, _LEAF, _HTB_CLASS, "pfifo", _fifo_options(new))
        )
    elif new.shape == "pfifo":
        result.append(
            _request(index, _NEWQDISC, _CREATE_OR_CHANGE, _LEAF, _ROOT, "pfifo", _fifo_options(new))
        )
    return result


_OPTION_OF: Final = {"netem": "CONFIG_NET_SCH_NETEM", "htb": "CONFIG_NET_SCH_HTB"}


def _request(
    index: int, kind: int, flags: int, handle: int, parent: int, name: str, options: Mapping[str, Any] | None
) -> Request:
    message = tcmsg()
    message["index"], message["handle"], message["parent"] = index, handle, parent
    message["attrs"] = [("TCA_KIND", name)] if name else []
    if options is not None:
        message["attrs"].append(("TCA_OPTIONS", options))
    what = f"set {name} on device {index}" if name else f"delete the queueing discipline of device {index}"
    return encode(message, kind, flags, what, option=_OPTION_OF.get(name))


def _ticks(time: float) -> int:
    """Packet scheduler ticks: 64 ns (PSCHED_SHIFT)."""
    return round(time * 1e9) >> 6


def _share(percent: float) -> int:
    return round(percent / 100 * 0xFFFFFFFF)


def _byte_rate(megabits: float) -> int:
    return round(megabits * 1e6 / 8)


def _netem_options(new: Impairment) -> dict[str, Any]:
    attributes: list[tuple[str, dict[str, int]]] = []
    # Each is sent even when it is zero, so that a change can take it back.
    attributes.append(("TCA_NETEM_REORDER", {"prob_reorder": _share(new.reorder), "corr_reorder": 0}))
    attributes.append(("TCA_NETEM_CORRUPT", {"prob_corrupt": _share(new.corrupt), "corr_corrupt": 0}))
    rate = 0 if new.bw is None else _byte_rate(new.bw)
    attributes.append(
        ("TCA_NETEM_RATE", {"rate": rate, "packet_overhead": 0, "cell_size": 0, "cell_overhead": 0})
    )
    return {
        "delay": _ticks(new.delay),
        "jitter": _ticks(new.jitter),
        "limit": new.max_queue_size or _DEFAULT_QUEUE,
        "loss": _share(new.loss),
        "duplicate": _share(new.duplicate),
        "gap": 1 if new.reorder else 0,
        "attrs": attributes,
    }


def _htb_options(bw: float) -> dict[str, Any]:
    rate = _byte_rate(bw)
    burst = _ticks(_BURST_BYTES / rate)
    parameters = {
        "rate": min(rate, 0xFFFFFFFF),
        "ceil": min(rate, 0xFFFFFFFF),
        "rate___reserved": _ETHERNET_LINKLAYER,
        "ceil___reserved": _ETHERNET_LINKLAYER,
        "buffer": burst,
        "cbuffer": burst,
        "quantum": 1514,
    }
    wide = [("TCA_HTB_RATE64", rate), ("TCA_HTB_CEIL64", rate)] if rate > 0xFFFFFFFF else []
    return {"attrs": [("TCA_HTB_PARMS", parameters), *wide]}


def _fifo_options(new: Impairment) -> dict[str, int]:
    return {"limit": new.max_queue_size or _DEFAULT_QUEUE}
