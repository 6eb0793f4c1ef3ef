"""The web application: one page, its events, and what viewers ask of the stage.

Everything lies below a token that nobody can guess, answers to loopback's own names alone, and takes nothing from pages of
other origins.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roamlab.errors import BadInput
from roamlab.live.drawing import Drawing
from roamlab.live.stage import Stage, Step
from roamlab.record.hand import AnyAct
from roamlab.where import PACKAGE

HOSTS: Final = ("127.0.0.1", "localhost")
_PAGE: Final = PACKAGE / "live" / "page"
_FILES: Final = {
    "": (_PAGE / "index.html", "text/html"),
    "live.css": (_PAGE / "live.css", "text/css"),
    "base.css": (PACKAGE / "reports" / "templates" / "base.css", "text/css"),
    "icon.svg": (_PAGE / "icon.svg", "image/svg+xml"),
    "live.js": (_PAGE / "live.js", "text/javascript"),
    "map.js": (_PAGE / "map.js", "text/javascript"),
    "picture.js": (_PAGE / "picture.js", "text/javascript"),
}
_BODY_LIMIT: Final = 4096
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"; ".join(
            [
                b"default-src 'none'",
                b"script-src 'self'",
                b"style-src 'self'",
                b"connect-src 'self'",
                b"img-src 'self'",
                b"base-uri 'none'",
                b"form-action 'none'",
                b"frame-ancestors 'none'",
            ]
        ),
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is told once."""

    title: str
    note: str
    acts: bool
    scenario: bool
    apart: float | None = None
    paced: bool
    drawing: Drawing


class Time(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a viewer asks of time."""

    running: bool | None = None
    speed: float | None = None
    step: Step | None = None
    to: float | None = None


class Show(Protocol):
    """What the application shows."""

    stage: Stage
    about: About

    def act(self, act: AnyAct) -> float:
        """Do something. Raises BadInput where that cannot be."""

    def end(self) -> None:
        """End the run."""

    def go_to(self, time_s: float) -> None:
        """Show another time. Raises BadInput where that cannot be."""

    def scenario(self) -> str:
        """The session as a scenario. Raises BadInput where there is none."""

    def file(self, name: str) -> bytes:
        """A file of the run directory that may be downloaded. Raises BadInput where there is none."""


def token() -> str:
    """A new token."""
    return secrets.token_urlsafe(24)


def application(show: Show, token: str) -> Starlette:
    """The application; its address is ``http://127.0.0.1:PORT/TOKEN/``."""
    below = _Below(show)
    routes = [
        Route("/do", below.act, methods=["POST"]),
        Route("/time", below.time, methods=["POST"]),
        Route("/end", below.end, methods=["POST"]),
        Route("/events", below.events),
        Route("/about", below.tell),
        Route("/scenario.py", below.scenario),
        Route("/capture.pcapng", below.download),
        Route("/verdict.json", below.download),
        Route("/{name:path}", _file),
    ]
    return Starlette(
        routes=[Mount(f"/{token}", routes=routes)],
        middleware=[
            Middleware(_Headers),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
            Middleware(_SameOrigin),
        ],
    )


class _Headers:
    """Adds to each answer what keeps other pages out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._app(scope, receive, told)


class _SameOrigin:
    """Refuses what a page of another origin asks for, as far as browsers say so: each of today's does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            origin = headers.get(b"origin")
            own = b"http://" + headers.get(b"host", b"")
            site = headers.get(b"sec-fetch-site", b"none")
            if (origin is not None and origin != own) or site not in (b"none", b"same-origin"):
                await Response("another origin asks\n", 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Below:
    """What lies below the token."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._acts = msgspec.json.Decoder(AnyAct)
        self._times = msgspec.json.Decoder(Time)

    async def act(self, request: Request) -> Response:
        """Do something to the network."""

        async def do() -> Response:
            at = self._show.act(self._acts.decode(await _body(request)))
            return _json({"at": at})

        return await _answered(do)

    async def time(self, request: Request) -> Response:
        """Stop time, let it go on, or have it go faster."""

        async def do() -> Response:
            asked = self._times.decode(await _body(request))
            stage = self._show.stage
            if asked.to is not None:
                self._show.go_to(asked.to)
            if asked.step is not None:
                stage.step(asked.step)
            else:
                stage.set_time(running=asked.running, speed=asked.speed)
            return _json({})

        return await _answered(do)

    async def end(self, request: Request) -> Response:
        """End the run."""

        async def do() -> Response:
            await _body(request)
            self._show.end()
            return _json({})

        return await _answered(do)

    async def events(self, request: Request) -> Response:
        """What is so, as server-sent events."""
        del request

        async def stream() -> AsyncIterator[bytes]:
            async with self._show.stage.viewer() as queue:
                while (message := await queue.get()) is not None:
                    yield b"data: " + message + b"\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def tell(self, request: Request) -> Response:
        """What the page is told once."""
        del request
        return _json(self._show.about)

    async def scenario(self, request: Request) -> Response:
        """The session as a file."""
        del request

        async def do() -> Response:
            return _attached(self._show.scenario().encode(), "by_hand.py", "text/x-python")

        return await _answered(do)

    async def download(self, request: Request) -> Response:
        """A file of the run."""
        name = request.url.path.rpartition("/")[2]

        async def do() -> Response:
            return _attached(self._show.file(name), name, "application/octet-stream")

        return await _answered(do)


async def _file(request: Request) -> Response:
    """One of the page's own files."""
    found = _FILES.get(request.path_params["name"])
    if found is None:
        return Response("there is no such page\n", 404, media_type="text/plain")
    path, kind = found
    return Response(Path(path).read_bytes(), media_type=kind)


async def _body(request: Request) -> bytes:
    """A request's body, which must be JSON: no page of another origin can send that without asking first."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise BadInput("the body must be application/json")
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > _BODY_LIMIT:
            raise BadInput("the body is too long")
    return data


async def _answered(do: Callable[[], Awaitable[Response]]) -> Response:
    """What comes of a request, or why nothing does."""
    try:
        return await do()
    except BadInput as problem:
        return _json({"error": str(problem)}, 409)
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        return _json({"error": f"this cannot be read: {problem}"}, 400)


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _attached(content: bytes, name: str, kind: str) -> Response:
    return Response(
        content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'}
    )
