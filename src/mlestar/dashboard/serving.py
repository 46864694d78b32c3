"""The server: addresses of pages, who may ask, and what a browser may do with the answers."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlestar import reporting
from mlestar.dashboard.pages import list_page, run_page
from mlestar.dashboard.watched import Shelf, Watched, about
from mlestar.errors import MleStarError, SettingsError
from mlestar.plain import word
from mlestar.report import page

HOST = "127.0.0.1"
UNREADABLE = -2  # told once: the page asks for the story then, and shows why there is none
PAUSE = 0.3  # seconds between two looks into a journal that somebody watches
MOST_SAID = 10_000  # bytes of a wish
_STATIC = Path(__file__).parent / "static"
# Plotly sets styles of single elements and brings a sheet for its maps, which differs with its version; all text that
# is not ours goes in as text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
    "cache-control": "no-store", "cross-origin-resource-policy": "same-origin",
}  # fmt: skip


class Headed:
    """Middleware: every answer carries HEADERS, unless it has its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message["headers"]}
                more = ((name.encode(), value.encode()) for name, value in HEADERS.items())
                message["headers"] += [(name, value) for name, value in more if name not in known]
            await send(message)

        await self._app(scope, receive, headed)


@dataclass(frozen=True)
class Pages:
    """What is answered: the runs of a shelf. Whoever wants to change something needs the token that the pages carry.

    Streams end when the server is `leaving`.
    """

    shelf: Shelf
    token: str
    leaving: Callable[[], bool]

    async def _run(self, request: Request) -> Watched:
        """The run that an address names. Raises RunError where there is none."""
        return await run_in_threadpool(self.shelf.run, request.path_params["name"])

    async def listed(self, request: Request) -> Response:
        return HTMLResponse(list_page(await run_in_threadpool(self.shelf.named)))

    async def listed_json(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.shelf.listed))

    async def shown(self, request: Request) -> Response:
        state, task = await run_in_threadpool(about, (await self._run(request)).run)
        return HTMLResponse(run_page(request.path_params["name"], state, task, self.token))

    async def told(self, request: Request) -> Response:
        return Response(await run_in_threadpool((await self._run(request)).told), media_type="application/json")

    async def node(self, request: Request) -> Response:
        address = request.query_params.get("address", "")
        return JSONResponse(await run_in_threadpool((await self._run(request)).node, address))

    async def events(self, request: Request) -> Response:
        seen = request.headers.get("last-event-id", "")
        version = (await self._run(request)).version
        stream = _versions(request, version, self.leaving, int(seen) if seen.isdecimal() else -1)
        return StreamingResponse(stream, media_type="text/event-stream")

    async def report(self, request: Request) -> Response:
        made = await run_in_threadpool(reporting.html, (await self._run(request)).run)
        return HTMLResponse(made, headers={"content-security-policy": "frame-ancestors 'none'"})  # it brings its own

    async def kept(self, request: Request) -> Response:
        file = request.path_params["file"]
        path = (await self._run(request)).run / "best" / file
        if file not in ("submission.csv", "solution.py") or not path.is_file():
            return JSONResponse({"error": f"there is no best/{word(file)} yet"}, 404)
        return FileResponse(path, media_type="text/plain", filename=file)

    async def wish(self, request: Request) -> Response:
        host = f"http://{request.headers.get('host')}"
        if request.headers.get("origin", host) != host:
            return JSONResponse({"error": "only pages of this server may change a run"}, 403)
        if not hmac.compare_digest(request.headers.get("x-token", "").encode(), self.token.encode()):
            return JSONResponse({"error": "reload the page: it was made by another start of this server"}, 403)
        body = await _body(request)
        if body is None:
            return JSONResponse({"error": f"that is too long: at most {MOST_SAID:,} bytes"}, 413)
        run, verb = await self._run(request), request.path_params["verb"]
        text = body.decode("utf-8", "replace")
        calls: dict[str, Callable[[], str]] = {"stop": run.stop, "resume": run.resume}
        return JSONResponse({"said": await run_in_threadpool(calls.get(verb, lambda: run.say(verb, text)))})


def application(pages: Pages) -> Starlette:
    """The addresses of the pages, and who may ask."""
    at = "/runs/{name}"
    return Starlette(
        routes=[
            Route("/", pages.listed), Route("/runs.json", pages.listed_json), Route(at, pages.shown),
            Route(f"{at}/story.json", pages.told), Route(f"{at}/node.json", pages.node),
            Route(f"{at}/events", pages.events), Route(f"{at}/report.html", pages.report),
            Route(f"{at}/best/{{file}}", pages.kept), Route(f"{at}/{{verb}}", pages.wish, methods=["POST"]),
            Route("/plotly.js", _plotly), Route("/static/page.css", _looks),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[
            Middleware(Headed),
            Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False),
        ],
        exception_handlers={MleStarError: _refused},
    )  # fmt: skip


async def _body(request: Request) -> bytes | None:
    """What was sent; None where it is too long, of which no more is read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_SAID:
            return None
    return body


async def _versions(
    request: Request, version: Callable[[], int], leaving: Callable[[], bool], seen: int
) -> AsyncIterator[str]:
    """A line whenever there is something new; whoever is slow gets the newest only, for nothing is queued."""
    yield "retry: 1000\n\n"
    while not leaving() and not await request.is_disconnected():
        try:
            now = await run_in_threadpool(version)
        except MleStarError:
            now = UNREADABLE
        if now != seen:
            seen = now
            yield f"id: {now}\ndata: {now}\n\n"
        await asyncio.sleep(PAUSE)


async def _looks(request: Request) -> Response:
    return FileResponse(Path(page.__file__).with_name("page.css"))  # the report's


async def _plotly(request: Request) -> Response:
    def read() -> str:
        from plotly.offline import get_plotlyjs  # noqa: PLC0415  a second, which no page must wait for

        return str(get_plotlyjs())

    script = await run_in_threadpool(read)
    return Response(script, media_type="text/javascript", headers={"cache-control": "max-age=86400"})


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": word(error, 1_000)}, 400)


class Server:
    """Pages over `places` (runs, or folders of runs) at `address`. Raises SettingsError where the port is taken."""

    def __init__(self, places: Sequence[Path], port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, port))
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            raise SettingsError(
                f"--port {port}: it cannot be had ({error.strerror}); name another, or 0 for any"
            ) from None
        self._shelf = Shelf(places)
        self.address = f"http://{HOST}:{self._socket.getsockname()[1]}/"
        app = application(Pages(self._shelf, secrets.token_urlsafe(24), lambda: self._server.should_exit))
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        )

    def serve(self) -> None:
        """Answer until `stop` is called or, in the main thread, until Ctrl-C."""
        if (
            threading.current_thread() is threading.main_thread()
        ):  # else uvicorn would let it kill what is driven from here
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._shelf.leave()

    def stop(self) -> None:
        """End soon; safe from any thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """Let the port go, where it was never served."""
        self._socket.close()
