"""The server: on loopback, until it is interrupted, with the guest in it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from roamlab.errors import BadInput
from roamlab.live.app import Show, application, token

_LAST_S: Final = 1
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def listener(port: int) -> socket.socket:
    """A socket on loopback; port 0 is any that is free. Raises BadInput where the port is taken."""
    if not 0 <= port < 1 << 16:
        raise BadInput(f"--port {port} is out of range; it takes 0 to {(1 << 16) - 1}")
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as error:
        sock.close()
        raise BadInput(
            f"cannot listen on port {port}: {error.strerror}; choose another with --port"
        ) from None
    sock.listen()  # so that whoever is told the address may come at once
    return sock


class _Server(uvicorn.Server):
    """A server that leaves signals to us: its own would end this process once more, before the guest's run is judged."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve(show: Show, sock: socket.socket, on_address: Callable[[str], None]) -> None:
    """Serve until this process is asked to end (SIGINT, SIGTERM); ``on_address`` gets where."""
    secret = token()
    config = uvicorn.Config(
        application(show, secret),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_S,
    )
    server = _Server(config)

    def end() -> None:
        server.should_exit = True

    async def run() -> None:
        for number in _ENDING:
            asyncio.get_running_loop().add_signal_handler(number, end)
        playing = asyncio.create_task(show.stage.play())
        on_address(f"http://127.0.0.1:{sock.getsockname()[1]}/{secret}/")
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        while not serving.done():
            if server.should_exit:
                show.stage.dismiss()
            if playing.done():  # which it never is but for a mistake of ours
                end()
            await asyncio.wait([serving], timeout=0.2)
        await serving
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing

    asyncio.run(run())
