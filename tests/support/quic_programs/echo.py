"""Two plain programs over QUIC, by aioquic's asyncio interface: a server that answers each line, and a client that asks.

`echo.py serve PORT`, `echo.py ask HOST PORT COUNT [migrate]`. With `migrate` the client opens another socket when its host has
another address, and goes to another connection id of its server's; without it does nothing about that.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

PROTOCOLS = ["echo"]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(line)


async def run_server(port: int) -> None:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "echo")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    configuration = QuicConfiguration(
        alpn_protocols=PROTOCOLS, is_client=False, certificate=made.sign(key, None), private_key=key
    )
    await serve(
        "0.0.0.0",
        port,
        configuration=configuration,
        stream_handler=lambda r, w: tasks.add(asyncio.ensure_future(answer(r, w))),
    )
    print("ready", flush=True)
    await asyncio.Event().wait()


tasks: set[asyncio.Future[None]] = set()


def address_towards(host: str) -> str:
    """The address that the host would send from now; empty where it can't."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


async def follow(protocol: QuicConnectionProtocol, host: str) -> None:
    """Move the connection whenever the host has another address."""
    used = address_towards(host)
    while True:
        await asyncio.sleep(0.05)
        found = address_towards(host)
        if found and found != used:
            used = found
            sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)  # as aioquic's own is
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::", 0))
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, sock=sock)
            protocol.change_connection_id()
            await protocol.ping()


async def ask(host: str, port: int, count: int, migrates: bool) -> None:
    address = (await asyncio.get_running_loop().getaddrinfo(host, port, family=socket.AF_INET))[0][4][0]
    configuration = QuicConfiguration(alpn_protocols=PROTOCOLS, verify_mode=ssl.CERT_NONE)
    async with connect(address, port, configuration=configuration) as protocol:
        following = asyncio.ensure_future(follow(protocol, address)) if migrates else None
        reader, writer = await protocol.create_stream()
        for number in range(count):
            writer.write(b"%d\n" % number)
            print((await reader.readline()).decode().strip(), flush=True)
            await asyncio.sleep(0.2)
        if following is not None:
            following.cancel()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(run_server(int(sys.argv[2])))
    else:
        asyncio.run(ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), "migrate" in sys.argv[5:]))
