"""Our SCTP codec against two others: scapy byte by byte, tshark field by field."""

import json
import shutil
import subprocess
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from scapy.layers import sctp as s
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from protocols import trace
from protocols.pcapng import Direction, Writer
from protocols.sctp import causes as c
from protocols.sctp import chunks as k
from protocols.sctp import packet
from protocols.sctp import parameters as p
from protocols.sctp.packet import Packet

V4, V6 = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")
NEW4, NEW6 = IPv4Address("198.51.100.7"), IPv6Address("2001:db8:1::7")
REAL = Path(__file__).parent.parent / "captures" / "linux-asconf.pcapng"

PARAMETERS: list[tuple[p.Parameter, Any]] = [
    (p.HeartbeatInfo(b"beat"), s.SCTPChunkParamHeartbeatInfo(data=b"beat")),
    (p.IPv4Parameter(V4), s.SCTPChunkParamIPv4Addr(addr=str(V4))),
    (p.IPv6Parameter(V6), s.SCTPChunkParamIPv6Addr(addr=str(V6))),
    (p.StateCookie(b"secrets"), s.SCTPChunkParamStateCookie(cookie=b"secrets")),
    (p.UnrecognizedParameter(b"\x12\x34\0\4"), s.SCTPChunkParamUnrocognizedParam(param=b"\x12\x34\0\4")),
    (p.CookiePreservative(99), s.SCTPChunkParamCookiePreservative(sug_cookie_inc=99)),
    (p.HostName(b"mn.example\0"), s.SCTPChunkParamHostname(hostname=b"mn.example\0")),
    (p.SupportedAddressTypes((5, 6)), s.SCTPChunkParamSupportedAddrTypes(addr_type_list=[5, 6])),
    (
        p.OutgoingSsnResetRequest(1, 2, 3, (4, 5)),
        s.SCTPChunkParamOutSSNResetReq(
            re_conf_req_seq_num=1, re_conf_res_seq_num=2, tsn=3, stream_num_list=[4, 5]
        ),
    ),
    (
        p.IncomingSsnResetRequest(1, (4, 5, 6)),
        s.SCTPChunkParamInSSNResetReq(re_conf_req_seq_num=1, stream_num_list=[4, 5, 6]),
    ),
    (p.SsnTsnResetRequest(7), s.SCTPChunkParamSSNTSNResetReq(re_conf_req_seq_num=7)),
    (
        p.ReconfigurationResponse(1, 2, (3, 4)),
        s.SCTPChunkParamReConfigRes(
            len=20, re_conf_res_seq_num=1, result=2, sender_next_tsn=3, receiver_next_tsn=4
        ),
    ),
    (
        p.AddOutgoingStreamsRequest(1, 2),
        s.SCTPChunkParamAddOutgoingStreamReq(re_conf_req_seq_num=1, num_new_stream=2, reserved=0),
    ),
    (
        p.AddIncomingStreamsRequest(1, 2),
        s.SCTPChunkParamAddIncomingStreamReq(re_conf_req_seq_num=1, num_new_stream=2, reserved=0),
    ),
    (p.EcnCapable(), s.SCTPChunkParamECNCapable()),
    (p.Random(bytes(range(32))), s.SCTPChunkParamRandom(random=bytes(range(32)))),
    (p.ChunkList((0xC1, 0x80, 0)), s.SCTPChunkParamChunkList(chunk_list=[0xC1, 0x80, 0])),
    (p.HmacAlgorithms((3, 1)), s.SCTPChunkParamRequestedHMACFunctions(HMAC_functions_list=[3, 1])),
    (
        p.SupportedExtensions((0xC1, 0x80, 15)),
        s.SCTPChunkParamSupportedExtensions(supported_extensions=[0xC1, 0x80, 15]),
    ),
    (p.ForwardTsnSupported(), s.SCTPChunkParamFwdTSN()),
    (p.AddIp(1, V4), s.SCTPChunkParamAddIPAddr(len=16, correlation_id=1, addr_len=8, addr=str(V4))),
    (
        p.AddIp(1, V6),
        s.SCTPChunkParamAddIPAddr(len=28, correlation_id=1, addr_type=6, addr_len=20, addr=str(V6)),
    ),
    (p.DeleteIp(2, V4), s.SCTPChunkParamDelIPAddr(len=16, correlation_id=2, addr_len=8, addr=str(V4))),
    (p.SetPrimary(3, V4), s.SCTPChunkParamSetPrimaryAddr(len=16, correlation_id=3, addr_len=8, addr=str(V4))),
    (
        p.ErrorCauseIndication(4, (c.OutOfResource(),)),
        s.SCTPChunkParamErrorIndication(correlation_id=4, error_causes=b"\0\4\0\4"),
    ),
    (p.Success(5), s.SCTPChunkParamSuccessIndication(correlation_id=5)),
    (p.AdaptationIndication(6), s.SCTPChunkParamAdaptationLayer(indication=6)),
]
# Scapy counts the last parameter's padding in the chunk's length (RFC 9260, 3.2, does not), so none here has any.
OURS, THEIRS = (p.address_parameter(V4), p.AddIp(1, V4)), [PARAMETERS[1][1], PARAMETERS[20][1]]
INIT = {
    "init_tag": 1,
    "a_rwnd": 2,
    "n_out_streams": 3,
    "n_in_streams": 4,
    "init_tsn": 5,
    "params": THEIRS,
    "flags": 0,
}

CHUNKS: list[tuple[k.Chunk, Any]] = [
    (
        k.Data(1, 2, 3, 4, b"hello", flags=0b1011),
        s.SCTPChunkData(
            reserved=0,
            delay_sack=1,
            beginning=1,
            ending=1,
            tsn=1,
            stream_id=2,
            stream_seq=3,
            proto_id=4,
            data=b"hello",
        ),
    ),
    (k.Init(1, 2, 3, 4, 5, OURS), s.SCTPChunkInit(**INIT)),
    (k.InitAck(1, 2, 3, 4, 5, OURS), s.SCTPChunkInitAck(**INIT)),
    (
        k.Sack(1, 2, ((3, 4), (6, 9)), (7, 8)),
        s.SCTPChunkSACK(flags=0, cumul_tsn_ack=1, a_rwnd=2, gap_ack_list=["3:4", "6:9"], dup_tsn_list=[7, 8]),
    ),
    (k.Heartbeat((p.HeartbeatInfo(b"beat"),)), s.SCTPChunkHeartbeatReq(flags=0, params=[PARAMETERS[0][1]])),
    (
        k.HeartbeatAck((p.HeartbeatInfo(b"beat"),)),
        s.SCTPChunkHeartbeatAck(flags=0, params=[PARAMETERS[0][1]]),
    ),
    (
        k.Abort((c.NoUserData(9),), flags=1),
        s.SCTPChunkAbort(reserved=0, TCB=1, error_causes=b"\0\x09\0\x08\0\0\0\x09"),
    ),
    (k.Shutdown(7), s.SCTPChunkShutdown(flags=0, cumul_tsn_ack=7)),
    (k.ShutdownAck(), s.SCTPChunkShutdownAck(flags=0)),
    (k.Error((c.OutOfResource(),)), s.SCTPChunkError(flags=0, error_causes=b"\0\4\0\4")),
    (k.CookieEcho(b"crumb"), s.SCTPChunkCookieEcho(flags=0, cookie=b"crumb")),
    (k.CookieAck(), s.SCTPChunkCookieAck(flags=0)),
    (k.ShutdownComplete(flags=1), s.SCTPChunkShutdownComplete(reserved=0, TCB=1)),
    (
        k.Auth(2, 1, bytes(range(20))),
        s.SCTPChunkAuthentication(flags=0, shared_key_id=2, HMAC_function=1, HMAC=bytes(range(20))),
    ),
    (
        k.IData(1, 2, 3, 4, b"hello", flags=3),
        s.SCTPChunkIData(
            reserved=0,
            beginning=1,
            ending=1,
            tsn=1,
            stream_id=2,
            reserved_16=0,
            message_id=3,
            ppid_fsn=4,
            data=b"hello",
        ),
    ),
    (k.Asconf(9, OURS), s.SCTPChunkAddressConf(flags=0, seq=9, params=THEIRS)),
    (k.AsconfAck(9, (p.Success(5),)), s.SCTPChunkAddressConfAck(flags=0, seq=9, params=[PARAMETERS[25][1]])),
    (k.ReConfig((p.SsnTsnResetRequest(7),)), s.SCTPChunkReConfig(flags=0, params=[PARAMETERS[10][1]])),
    (
        k.ForwardTsn(1, ((2, 3), (4, 5))),
        s.SCTPChunkForwardTSN(
            flags=0,
            new_tsn=1,
            skips=[
                s.SCTPForwardSkip(stream_id=2, stream_seq=3),
                s.SCTPForwardSkip(stream_id=4, stream_seq=5),
            ],
        ),
    ),
    (
        k.IForwardTsn(1, ((2, 1, 3),)),
        s.SCTPChunkIForwardTSN(
            flags=0,
            new_tsn=1,
            skips=[s.SCTPIForwardSkip(stream_id=2, reserved=0, unordered=1, message_id=3)],
        ),
    ),
]


def name_of(value: object) -> str | None:
    return value.name if isinstance(value, k.Chunk | p.Parameter) else None


@pytest.mark.parametrize(("ours", "theirs"), PARAMETERS, ids=name_of)
def test_scapy_builds_the_same_parameter(ours, theirs):
    assert ours.encode() == bytes(theirs)


@pytest.mark.parametrize(("ours", "theirs"), CHUNKS, ids=name_of)
def test_scapy_builds_the_same_chunk(ours, theirs):
    assert ours.encode() == bytes(theirs)


@pytest.mark.parametrize(("ours", "theirs"), CHUNKS, ids=name_of)
def test_scapy_reads_our_packet_and_accepts_its_checksum(ours, theirs):
    data = Packet(5000, 6000, 0xDEADBEEF, (ours,)).encode()
    read = s.SCTP(data)
    assert (read.sport, read.dport, read.tag) == (5000, 6000, 0xDEADBEEF)
    assert type(read.payload) is type(theirs)
    again = s.SCTP(sport=5000, dport=6000, tag=0xDEADBEEF) / theirs
    assert bytes(again) == data


needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

PACKETS = [
    Packet(5000, 6000, 0xDEADBEEF, (k.Data(7, 1, 2, 3, b"one", flags=3), k.Sack(9, 1000, ((2, 3),), (5,)))),
    Packet(
        5000,
        6000,
        0,
        (k.Init(77, 1500, 10, 20, 30, tuple(ours for ours, _ in PARAMETERS if ours.type < 13)),),
    ),
    Packet(
        6000,
        5000,
        77,
        (k.InitAck(78, 1500, 10, 20, 31, (p.StateCookie(b"cookie"), p.SupportedExtensions((0xC1, 0x80)))),),
    ),
    Packet(
        5000,
        6000,
        78,
        (
            k.Auth(0, 1, bytes(20)),
            k.Asconf(30, (p.address_parameter(V4), p.AddIp(1, NEW4), p.DeleteIp(2, NEW6))),
        ),
    ),
    Packet(
        6000, 5000, 77, (k.AsconfAck(30, (p.Success(1), p.ErrorCauseIndication(2, (c.IllegalAsconfAck(),)))),)
    ),
    Packet(6000, 5000, 77, (k.Abort((c.ProtocolViolation(b"why"), c.StaleCookie(9))),)),
    Packet(6000, 5000, 77, (k.Error((c.MissingMandatoryParameter((7, 8)), c.InvalidStreamIdentifier(4))),)),
    Packet(6000, 5000, 77, (k.Shutdown(4), k.Ecne(5), k.Cwr(6), k.CookieEcho(b"c"), k.CookieAck())),
    Packet(6000, 5000, 77, (k.ForwardTsn(3, ((1, 2),)), k.IData(1, 2, 3, 4, b"x", flags=3), k.Pad(b"1234"))),
]

GOOD = "1"  # how tshark calls a checksum that it found right

# Where a message's field stands in tshark's dissection.
FIELDS = {
    (k.Data, "tsn"): "sctp.data_tsn_raw",
    (k.Data, "stream"): "sctp.data_sid",
    (k.Data, "ssn"): "sctp.data_ssn",
    (k.Data, "ppid"): "sctp.data_payload_proto_id",
    (k.IData, "tsn"): "sctp.data_tsn_raw",
    (k.IData, "stream"): "sctp.data_sid",
    (k.IData, "mid"): "sctp.data_mid",
    (k.IData, "ppid_or_fsn"): "sctp.data_payload_proto_id",
    (k.Sack, "cumulative_tsn"): "sctp.sack_cumulative_tsn_ack_raw",
    (k.Sack, "a_rwnd"): "sctp.sack_a_rwnd",
    (k.Init, "tag"): "sctp.init_initiate_tag",
    (k.Init, "a_rwnd"): "sctp.init_credit",
    (k.Init, "outbound_streams"): "sctp.init_nr_out_streams",
    (k.Init, "inbound_streams"): "sctp.init_nr_in_streams",
    (k.Init, "tsn"): "sctp.init_initial_tsn",
    (k.InitAck, "tag"): "sctp.initack_initiate_tag",
    (k.InitAck, "tsn"): "sctp.initack_initial_tsn",
    (k.Asconf, "serial"): "sctp.asconf_seq_nr_number",
    (k.AsconfAck, "serial"): "sctp.asconf_ack_seq_nr_number",
    (k.Auth, "key_id"): "sctp.shared_key_id",
    (k.Auth, "hmac_id"): "sctp.hmac_id",
    (k.Auth, "hmac"): "sctp.hmac",
    (k.Shutdown, "cumulative_tsn"): "sctp.shutdown_cumulative_tsn_ack",
    (k.Ecne, "lowest_tsn"): "sctp.ecne_lowest_tsn",
    (k.Cwr, "lowest_tsn"): "sctp.cwr_lowest_tsn",
    (k.CookieEcho, "cookie"): "sctp.cookie",
    (k.ForwardTsn, "cumulative_tsn"): "sctp.forward_tsn_tsn",
    (k.Pad, "padding"): "sctp.padding_data",
    (p.IPv4Parameter, "address"): "sctp.parameter_ipv4_address",
    (p.IPv6Parameter, "address"): "sctp.parameter_ipv6_address",
    (p.AddIp, "correlation_id"): "sctp.correlation_id",
    (p.DeleteIp, "correlation_id"): "sctp.correlation_id",
    (p.SetPrimary, "correlation_id"): "sctp.correlation_id",
    (p.Success, "correlation_id"): "sctp.correlation_id",
    (p.ErrorCauseIndication, "correlation_id"): "sctp.correlation_id",
    (p.HmacAlgorithms, "hmac_ids"): "sctp.hmac_id",
    (p.ChunkList, "chunk_types"): "sctp.chunk_type_to_auth",
    (p.SupportedExtensions, "chunk_types"): "sctp.supported_chunk_type",
    (p.SupportedAddressTypes, "types"): "sctp.parameter_supported_address_type",
    (p.Random, "number"): "sctp.random_number",
    (p.StateCookie, "cookie"): "sctp.parameter_state_cookie",
    (p.CookiePreservative, "increment_ms"): "sctp.parameter_cookie_preservative_incr",
    (c.StaleCookie, "staleness_us"): "sctp.cause_measure_of_staleness",
    (c.InvalidStreamIdentifier, "stream"): "sctp.cause_stream_identifier",
}


def tshark(path: Path) -> list[dict[str, list[str]]]:
    """Return, for each SCTP packet of a capture, tshark's values of each field."""
    names = [
        "frame.number",
        "sctp.checksum",
        "sctp.checksum.status",
        "sctp.chunk_type",
        "sctp.parameter_type",
    ]
    names += ["sctp.cause_code", "sctp.verification_tag", "ip.src", "ip.dst", *sorted(set(FIELDS.values()))]
    command = ["tshark", "-r", str(path), "-Y", "sctp", "-o", "sctp.checksum:CRC 32c", "-T", "json"]
    command += [word for name in names for word in ("-e", name)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [item["_source"]["layers"] for item in json.loads(output)]


def ours(item: trace.SctpPacket) -> dict[str, list[object]]:
    """Return the same of our decoder, with the fields of nested messages in wire order."""
    values: dict[str, list[object]] = {"sctp.verification_tag": [item.tag], "sctp.chunk_type": []}

    def visit(message: Any) -> None:
        if isinstance(message, k.Chunk):
            values["sctp.chunk_type"].append(message.type)
        elif isinstance(message, p.Parameter):
            values.setdefault("sctp.parameter_type", []).append(message.type)
        else:
            values.setdefault("sctp.cause_code", []).append(message.type)
        for (kind, name), field in FIELDS.items():
            if type(message) is kind:
                value = getattr(message, name)
                values.setdefault(field, []).extend(value if isinstance(value, tuple) else [value])
        for nested in (getattr(message, "parameters", ()), getattr(message, "causes", ())):
            for inner in nested:
                visit(inner)
        for inner in p.PARAMETERS.decode(getattr(message, "copied", b"")):
            visit(inner)
        if isinstance(message, p.AddIp | p.DeleteIp | p.SetPrimary):
            visit(p.address_parameter(message.address))

    for chunk in item.chunks:
        visit(chunk)
    return values


def plain(value: object) -> object:
    """Both sides' values in one form: a number, an address, or bytes."""
    if not isinstance(value, str):
        return value
    if value.startswith("0x"):
        return int(value, 16)
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return ip_address(value)
    except ValueError:
        return bytes.fromhex(value.replace(":", ""))


def agree(path: Path) -> int:
    """Assert that tshark and we read the same; return how many packets that was."""
    theirs, seen = tshark(path), trace.load(path).sctp
    assert [int(item["frame.number"][0]) for item in theirs] == [item.index + 1 for item in seen]
    for their, our in zip(theirs, seen, strict=True):
        assert their["sctp.checksum.status"] == [GOOD]
        assert int(their["sctp.checksum"][0], 16) == packet.stored_checksum(our.raw)
        mine = ours(our)
        assert {name for name in their if name.startswith("sctp.") and "checksum" not in name} == set(mine)
        for field, values in mine.items():
            found = [
                bytes.fromhex(value.replace(":", "")) if isinstance(values[0], bytes) else plain(value)
                for value in their.get(field, [])
            ]
            assert found == values, field
    return len(seen)


@needs_tshark
def test_tshark_agrees_about_every_field_of_a_real_association():
    assert agree(REAL) == 24


@needs_tshark
def test_tshark_agrees_about_every_chunk_that_we_write(tmp_path: Path):
    path = tmp_path / "ours.pcapng"
    with path.open("wb", buffering=0) as file:
        writer = Writer(file)
        nic = writer.interface("mn.wlan0")
        for index, item in enumerate(PACKETS):
            frame = bytes(Ether() / IP(src=str(V4), dst=str(NEW4), proto=132) / Raw(item.encode()))
            writer.packet(nic, index, frame, direction=Direction.OUT)
    assert agree(path) == len(PACKETS)


@needs_tshark
def test_tshark_sees_sctp_in_the_same_tunnels(tmp_path: Path):
    path = tmp_path / "tunnels.pcapng"
    inner = IP(src=str(V4), dst=str(NEW4), proto=132) / Raw(PACKETS[0].encode())
    with path.open("wb", buffering=0) as file:
        writer = Writer(file)
        nic = writer.interface("ha.eth0", linktype=101)
        for frame in (
            IP(src="203.0.113.1", dst="203.0.113.2") / inner,
            IPv6() / inner,
            IP() / UDP() / b"x",
            inner,
        ):
            writer.packet(nic, 0, bytes(frame), direction=Direction.IN)
    theirs = tshark(path)
    seen = trace.load(path).sctp
    assert [[*map(str, item["ip.src"])] for item in theirs] == [
        [str(header.source) for header in (*item.outer, item.datagram) if header.source.version == 4]
        for item in seen
    ]
    assert len(seen) == 3
