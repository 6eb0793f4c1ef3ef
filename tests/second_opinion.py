"""tshark's reading of captures beside ours: what `./lab decode` prints of SCTP, what our codec reads of Mobile IP.

A packet is captured at every NIC on its way, and most runs begin alike, so equal packets are compared once: equal in their
bytes from the transport header on, their addresses and their tunnels, which is all that decoding looks at. The distinct
ones of many captures go into one, which both read.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from roamlab.protocols import ip, pcapng, trace
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Datagram
from roamlab.protocols.mobileip.advertisement import AgentAdvertisement, AgentSolicitation
from roamlab.protocols.mobileip.extensions import Authentication
from roamlab.protocols.mobileip.identification import high, low
from roamlab.protocols.mobileip.registration import (
    RegistrationMessage,
    RegistrationRequest,
    decode_registration,
)
from roamlab.protocols.sctp.chunks import KINDS
from roamlab.protocols.trace import MOBILE_IP_PORT, IcmpPacket, SctpPacket, Sighting, UdpPacket
from roamlab.query.decoding import decode
from tests import tshark
from tests.tshark import BYTES, COUNTS, ROWS, VALUES, Cells

_TYPES = {str(kind.name): number for number, kind in KINDS.items()}
_COMMON = {"source port": "srcport", "destination port": "dstport", "verification tag": "verification_tag"}
_ITEM = re.compile(r"( +)(\S.*) \(0x([0-9a-f]+)\)(?:, flags 0x([0-9a-f]{2}))?, length (\d+)")
_LIST = re.compile(r"( +)([a-z_]+):")
_FIELD = re.compile(r"( +)([a-z_ ]+): (.*)")


@dataclass(slots=True)
class Comparison:
    """What was compared, and where the readings differ. ``kinds`` counts chunks, parameters, causes and messages."""

    captures: int = 0
    packets: int = 0
    distinct: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(self, other: Comparison) -> None:
        self.captures += other.captures
        self.packets += other.packets
        self.distinct += other.distinct
        self.kinds += other.kinds
        self.differences += other.differences

    def __str__(self) -> str:
        return f"{self.captures} captures, {self.packets} packets, {self.distinct} of them distinct"


def compare(captures: Iterable[Path]) -> Comparison:
    """Compare both readings, a process a processor; of captures with equal bytes the first alone is read."""
    distinct = {hashlib.sha256(path.read_bytes()).digest(): path for path in captures}.values()
    ordered = sorted(distinct, key=lambda path: path.stat().st_size)
    processes = min(os.cpu_count() or 1, len(ordered))
    total = Comparison()
    if processes < 2:
        return compare_here(ordered)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for part in pool.map(compare_here, [ordered[n::processes] for n in range(processes)]):
            total.add(part)
    return total


def compare_here(captures: Sequence[Path]) -> Comparison:
    """Compare in this process."""
    with tempfile.TemporaryDirectory() as directory:
        merged = Path(directory) / "distinct.pcapng"
        result = Comparison(captures=len(captures))
        origins = list(_distinct(captures, merged, result))
        result.distinct = len(origins)
        printed = {int(block[0].split()[1]): block for block in _blocks(merged)}
        for packet, theirs in zip(trace.load(merged).sightings, tshark.read(merged), strict=True):
            ours = _ours(packet, printed.get(packet.index, []), result.kinds)
            where = origins[packet.index]
            result.differences += [f"{where}: {text}" for text in _differences(packet, ours, theirs)]
    return result


def written(path: Path, frames: list[bytes], *, linktype: int) -> Path:
    """A capture of these frames."""
    with path.open("wb", buffering=0) as file:
        writer = pcapng.Writer(file)
        nic = writer.interface("mn.wlan0", linktype=linktype)
        for index, frame in enumerate(frames):
            writer.packet(nic, index, frame, direction=pcapng.Direction.OUT)
    return path


def _distinct(captures: Iterable[Path], merged: Path, result: Comparison) -> Iterator[str]:
    """Write each packet that no capture had before, and yield where it is from."""
    seen: set[object] = set()
    with merged.open("wb") as file:
        writer = pcapng.Writer(file)
        nics: dict[tuple[str, int], int] = {}
        for path in captures:
            for index, packet in enumerate(pcapng.read(path).packets):
                result.packets += 1
                if packet.data in seen:
                    continue
                seen.add(packet.data)
                same = _same(packet)
                if same in seen:
                    continue
                seen.add(same)
                nic = (packet.interface_name, packet.linktype)
                if nic not in nics:
                    nics[nic] = writer.interface(nic[0], linktype=nic[1])
                writer.packet(nics[nic], packet.time_ns, packet.data, direction=packet.direction)
                yield f"{path.parent.parent.name}/{path.parent.name} packet {index}"


def _same(packet: pcapng.Packet) -> object:
    """What equal packets have in common; of those that neither of us takes apart, the kind."""
    try:
        carried = ip.decode(packet.linktype, packet.data)
    except DecodeError:
        return packet.data
    if not isinstance(carried, Datagram):
        return type(carried)
    tunnels = tuple((outer.source, outer.destination, outer.protocol) for outer in carried.tunnels)
    place = (tunnels, carried.source, carried.destination, carried.protocol, carried.fragment_offset)
    ports = carried.payload[:4]
    if carried.protocol in (ip.SCTP, ip.ICMP) or MOBILE_IP_PORT.to_bytes(2, "big") in (ports[:2], ports[2:]):
        return (*place, carried.payload)
    return (*place, ports if carried.protocol in (ip.UDP, ip.TCP) else None)


def _blocks(capture: Path) -> Iterator[list[str]]:
    """What `./lab decode` prints, a packet at a time."""
    block: list[str] = []
    for line in decode(capture):
        if line:
            block.append(line)
        else:
            yield block
            block = []


def _differences(packet: Sighting, ours: Cells, theirs: Cells) -> Iterator[str]:
    if isinstance(packet, IcmpPacket):  # errors quote other packets, which tshark reads too
        compared = ("icmp.", "mip.") if ours else ()
    elif isinstance(packet, SctpPacket):
        compared = ("frame.", "ip.", "ipv6.", "sctp.", "data.", "mip.")
    else:
        compared = ("sctp.", "mip.")
    for name in sorted(ours.keys() | {name for name in theirs if name.startswith(compared)}):
        if ours.get(name) != theirs.get(name):
            yield f"{name}: we read {ours.get(name)}, tshark {theirs.get(name)}"


# -- what we read ------------------------------------------------------------------------------------------------------


def _ours(packet: Sighting, printed: Sequence[str], kinds: Counter[str]) -> Cells:
    """SCTP as printed, Mobile IP as decoded; of all others nothing."""
    message: RegistrationMessage | AgentAdvertisement | AgentSolicitation
    if isinstance(packet, SctpPacket):
        return _printed(printed, kinds)
    if isinstance(packet, UdpPacket) and MOBILE_IP_PORT in (packet.udp.sport, packet.udp.dport):
        message = decode_registration(packet.udp.payload)
        cells = _registration(message)
    elif isinstance(packet, IcmpPacket) and packet.source.version == 4 and packet.icmp.type in (9, 10):
        kind = AgentAdvertisement if packet.icmp.type == AgentAdvertisement.TYPE else AgentSolicitation
        message = kind.decode(packet.datagram.payload)
        cells = _discovery(message)
    else:
        return {}
    kinds[type(message).__name__] += 1
    return {name: list(map(str, values)) for name, values in cells.items() if values}


def _printed(block: Sequence[str], kinds: Counter[str]) -> Cells:
    """What `./lab decode` printed of a packet."""
    cells: Cells = defaultdict(list)
    where = re.fullmatch(r"packet (\d+)  (\S+) s  (\S+?)(?: (in|out))?  (\S+) > (\S+)", block[0])
    assert where, block[0]
    number, seconds, nic, way, *ends = where.groups()
    cells["frame.number"].append(str(int(number) + 1))
    cells["frame.time_relative"].append(seconds)
    cells["frame.interface_name"].append(nic)
    if way:
        cells["frame.packet_flags_direction"].append({"in": "1", "out": "2"}[way])
    item, group, lists = "", "", {}
    for line in block[1:]:
        if outer := re.fullmatch(r"  tunnelled: (\S+) > (\S+), protocol \d+", line):
            _addresses(cells, *outer.groups())
        elif found := _ITEM.fullmatch(line):
            indent, item, kind, flags, length = found.groups()
            kinds[item] += 1
            group = "chunk" if flags else "cause" if lists[len(indent) - 2] == "causes" else "parameter"
            cells[f"sctp.{group}_{'code' if group == 'cause' else 'type'}"].append(_number(f"0x{kind}"))
            cells[f"sctp.{group}_length"].append(length)
            if flags:
                cells["sctp.chunk_flags"].append(_number(f"0x{flags}"))
        elif found := _LIST.fullmatch(line):
            lists[len(found[1])] = found[2]
        elif found := _FIELD.fullmatch(line):
            for name, value in _values(item, group, found[2], found[3]):
                cells[name].append(value)
    _addresses(cells, *ends)
    return cells


def _addresses(cells: Cells, source: str, destination: str) -> None:
    family = "ipv6" if ":" in source else "ip"
    cells[f"{family}.src"].append(source)
    cells[f"{family}.dst"].append(destination)


def _values(item: str, group: str, name: str, text: str) -> Iterator[tuple[str, str]]:
    """What tshark should have of a printed field, and where; under our own name where it has no field for it."""
    if name in _COMMON:
        yield f"sctp.{_COMMON[name]}", _number(text)
    elif name == "checksum":
        stored, verdict = text.split(" ", 1)
        yield "sctp.checksum", _number(stored)
        yield "sctp.checksum.status", "1" if verdict == "(right)" else "0"
    elif (item, name) in COUNTS or (item, name) in ROWS:
        values = [] if text == "none" else text.split(", ")
        columns = ROWS.get((item, name)) or (VALUES[item, name],)
        if (item, name) in COUNTS:
            yield f"sctp.{COUNTS[item, name]}", str(len(values) // len(columns))
        for number, value in enumerate(values):
            yield f"sctp.{columns[number % len(columns)]}", _number(value)
    elif name == "address":
        version = ip_address(text).version
        if item not in ("IPv4 Address", "IPv6 Address"):  # a parameter within the request
            yield "sctp.parameter_type", "5" if version == 4 else "6"
            yield "sctp.parameter_length", "8" if version == 4 else "20"
        yield f"sctp.parameter_ipv{version}_address", text
    elif name == "data":
        yield "data.data", text
    elif item == "Host Name Address":
        yield "sctp.parameter_hostname", bytes.fromhex(text).rstrip(b"\0").decode()
    elif item == "Unrecognized Chunk Type":  # tshark reads the copy as a chunk
        copy = bytes.fromhex(text)
        yield "sctp.chunk_type", str(copy[0])
        yield "sctp.chunk_flags", str(copy[1])
        yield "sctp.chunk_length", str(int.from_bytes(copy[2:4], "big"))
        if copy[4:]:  # tshark has no field of nothing
            yield "sctp.chunk_value", copy[4:].hex()
    elif item == "Zero Checksum Acceptable":  # younger than tshark 4.0
        yield "sctp.parameter_value", f"{int(text):08x}"
    elif text in ("none", "") or name == "checked":
        return
    elif item.startswith("0x") and name == "value":  # of a type that is not known
        yield f"sctp.{'cause_information' if group == 'cause' else f'{group}_value'}", text
    elif (item, name) in VALUES:
        into = VALUES[item, name]
        for value in [text] if into in BYTES else text.split(", "):
            yield f"sctp.{into}", value if into in BYTES else str(_TYPES.get(value, _number(value)))
    else:
        yield f"{item}: {name}", text


def _number(text: str) -> str:
    return str(int(text, 16)) if text.startswith("0x") else text


def _registration(message: RegistrationMessage) -> dict[str, list[object]]:
    request = isinstance(message, RegistrationRequest)
    authentications = [e for e in message.extensions if isinstance(e, Authentication)]
    return {
        "mip.type": [message.TYPE],
        "mip.flags": [int(message.flags)] if request else [],
        "mip.code": [] if request else [message.code],
        "mip.life": [message.lifetime],
        "mip.homeaddr": [message.home_address],
        "mip.haaddr": [message.home_agent],
        "mip.coa": [message.care_of_address] if request else [],
        "mip.ident": [_timestamp(message.identification)],
        "mip.ext.type": [e.type for e in message.extensions],
        "mip.ext.len": [len(e.encode()) - 2 for e in message.extensions],
        "mip.auth.spi": [e.spi for e in authentications],
        "mip.auth.auth": [tshark.short(e.authenticator.hex()) for e in authentications],
    }


def _timestamp(identification: int) -> str:
    """An identification as tshark shows all of them: as an NTP timestamp, here to the microsecond."""
    seconds, fraction = high(identification), low(identification)
    # With its first bit clear it is of the era that began in 2036 (RFC 4330, 3).
    era = 0 if seconds & 0x80000000 else 1 << 32
    time = datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds + era)
    return f"{time:%Y-%m-%d %H:%M:%S}.{fraction * 10**6 >> 32:06d}"


def _discovery(message: AgentAdvertisement | AgentSolicitation) -> dict[str, list[object]]:
    if isinstance(message, AgentSolicitation):
        return {"icmp.type": [message.TYPE], "icmp.code": [0], "icmp.checksum.status": [1]}
    mobility, prefixes = message.mobility, message.prefix_lengths
    lengths = {16: 6 + 4 * len(mobility.care_of_addresses)} if mobility else {}
    lengths |= ({19: len(prefixes)} if prefixes else {}) | {e.type: len(e.data) for e in message.skipped}
    padding = [0] * (sum(2 + length for length in lengths.values()) % 2)
    return {
        "icmp.type": [message.TYPE],
        "icmp.code": [message.code],
        "icmp.checksum.status": [1],
        "icmp.num_addrs": [len(message.routers)],
        "icmp.addr_entry_size": [2],
        "icmp.lifetime": [message.lifetime],
        "icmp.router_address": [router.address for router in message.routers],
        "icmp.pref_level": [router.preference for router in message.routers],
        "icmp.mip.type": [*lengths, *padding],
        "icmp.mip.length": list(lengths.values()),
        "icmp.mip.seq": [mobility.sequence] if mobility else [],
        "icmp.mip.life": [mobility.registration_lifetime] if mobility else [],
        "icmp.mip.flags": [int(mobility.flags)] if mobility else [],
        "icmp.mip.coa": list(mobility.care_of_addresses) if mobility else [],
        "icmp.mip.prefixlength": list(prefixes),
    }
