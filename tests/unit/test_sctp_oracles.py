"""Our SCTP codec against two others: scapy byte by byte, tshark field by field."""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from scapy.layers import sctp as s
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.packet import Raw

from roamlab.protocols.sctp import causes as c
from roamlab.protocols.sctp import chunks as k
from roamlab.protocols.sctp import parameters as p
from roamlab.protocols.sctp.packet import Packet
from tests.second_opinion import compare_here, written
from tests.tshark import needs_tshark

V4, V6 = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")
NEW4, NEW6 = IPv4Address("198.51.100.7"), IPv6Address("2001:db8:1::7")

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


def error(cause: c.Cause) -> k.Chunk:
    return k.Error((cause,))


def initiation(parameter: p.Parameter) -> k.Chunk:
    return k.InitAck(78, 1500, 10, 20, 31, (parameter, p.StateCookie(b"cookie")))


REQUEST = p.DeleteIp(2, V4).encode()
CAUSES: list[c.Cause] = [
    c.InvalidStreamIdentifier(4),
    c.MissingMandatoryParameter((7, 8)),
    c.StaleCookie(9),
    c.OutOfResource(),
    c.UnresolvableAddress(p.address_parameter(V6).encode()),
    c.UnrecognizedChunkType(k.RawChunk(0x77, b"abcd", flags=5).encode()),
    c.InvalidMandatoryParameter(),
    c.UnrecognizedParameters(p.RawParameter(0xC0FE, b"abcd").encode() + REQUEST),
    c.NoUserData(9),
    c.CookieReceivedWhileShuttingDown(),
    c.RestartWithNewAddresses(p.address_parameter(V4).encode() + p.address_parameter(V6).encode()),
    c.UserInitiatedAbort(b"bye"),
    c.ProtocolViolation(b"why"),
    c.RequestToDeleteLastRemainingAddress(REQUEST),
    c.RefusedDueToResourceShortage(p.AddIp(1, V6).encode()),
    c.RequestToDeleteSourceAddress(REQUEST),
    c.IllegalAsconfAck(),
    c.IllegalAsconfAck(b"abcd"),
    c.RefusedNoAuthorization(REQUEST),
    c.UnsupportedHmacIdentifier(2),
    c.RawCause(0x99, b"abcd"),
]
MORE: list[p.Parameter] = [
    p.UnrecognizedParameter(p.RawParameter(0xC0FF, b"abcd").encode()),
    p.ZeroChecksumAcceptable(1),
    p.Padding(b"1234"),
    p.RawParameter(0xC0FF, b"abcd"),
    p.Random(bytes(range(40))),
]
PACKETS = [
    *((k.Auth(0, 1, bytes(20)), chunk) for chunk, _ in CHUNKS if not isinstance(chunk, k.Data | k.IData)),
    (k.Data(7, 1, 2, 0, b"one", flags=3), k.Data(8, 1, 3, 0, b"another", flags=7), k.Sack(9, 1000)),
    (k.Sack(9, 1000, ((2, 3), (5, 5)), (5, 6, 7)),),
    (k.IData(1, 2, 3, 0, b"x", flags=3), k.Pad(b"1234")),
    (k.Ecne(5), k.Cwr(6)),
    (k.RawChunk(0x77, b"abcd", flags=9),),
    *((error(cause),) for cause in CAUSES),
    (k.Error(tuple(CAUSES[:4])), k.Abort(tuple(CAUSES[13:16]), flags=1)),
    *((initiation(parameter),) for parameter in [*(ours for ours, _ in PARAMETERS), *MORE]),
    (
        k.Auth(0, 1, bytes(20)),
        k.Asconf(30, (p.address_parameter(V4), p.AddIp(1, NEW4), p.SetPrimary(2, NEW6), p.DeleteIp(3, V4))),
    ),
    (k.AsconfAck(30, (p.Success(1), p.ErrorCauseIndication(2, tuple(CAUSES[13:16])))),),
]


@needs_tshark
def test_tshark_agrees_about_every_chunk_parameter_and_cause_that_we_write(tmp_path: Path):
    frames = [
        bytes(
            Ether()
            / IP(src=str(V4), dst=str(NEW4), proto=132)
            / Raw(Packet(5000, 6000, 0xDEADBEEF, tuple(chunks)).encode())
        )
        for chunks in PACKETS
    ]
    comparison = compare_here([written(tmp_path / "ours.pcapng", frames, linktype=1)])
    assert comparison.differences == []
    assert comparison.distinct == len(PACKETS)
    known = [*k.KINDS.values(), *p.PARAMETERS.kinds, *c.CAUSES.kinds]
    assert {str(kind.name) for kind in known} <= comparison.kinds.keys()


@needs_tshark
def test_tshark_sees_sctp_in_the_same_tunnels(tmp_path: Path):
    packet = Packet(5000, 6000, 1, (k.Data(7, 1, 2, 0, b"one", flags=3),))
    inner = IP(src=str(V4), dst=str(NEW4), proto=132) / Raw(packet.encode())
    frames = [
        bytes(frame)
        for frame in (
            IP(src="203.0.113.1", dst="203.0.113.2") / inner,
            IPv6() / inner,
            IP(proto=47) / GRE() / inner,
            IP() / UDP() / b"x",
            inner,
        )
    ]
    comparison = compare_here([written(tmp_path / "tunnels.pcapng", frames, linktype=101)])
    assert comparison.differences == []
    assert (comparison.packets, comparison.kinds["DATA"]) == (5, 4)
