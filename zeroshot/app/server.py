"""The server of the page: its addresses, and its life from the first visit to Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import secrets
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from zeroshot.app.downloads import format_tables
from zeroshot.app.engine import MOST_PIXELS, PREVIEW
from zeroshot.app.guard import Guard
from zeroshot.app.orders import advanced_fields, prior_tables, setting_table, task_tables
from zeroshot.app.uploads import MOST_BYTES, too_large
from zeroshot.app.wording import RefusedError
from zeroshot.app.workbench import Workbench
from zeroshot.cli.messages import say

_HOST = "127.0.0.1"
#: How long a browser waits for news before it asks again.
_NEWS_SECONDS = 20.0
_MOST_FORM = 1_000_000
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

Endpoint = Callable[[Request], Awaitable[Response]]


def application(workbench: Callable[[], Workbench], token: str, port: int) -> Guard:
    """The page and what it asks for, guarded.

    Parameters
    ----------
    workbench : callable
        Makes the pictures and runs when the server starts; they end with it.
    token : str
        What the address carries.
    port : int
        Where the server listens.
    """

    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        app.state.workbench = workbench()
        try:
            yield
        finally:
            app.state.workbench.close()

    routes = [
        Route("/", functools.partial(_page_file, name="index.html")),
        Route("/page/{name}", _page_file),
        Route("/tables", _tables),
        Route("/priors/{name}", _settings),
        Route("/news", _news),
        Route("/pictures", _bring, methods=["POST"]),
        Route("/pictures/{id}", _remove_picture, methods=["DELETE"]),
        Route("/pictures/{id}/shown", _shown_picture),
        Route("/pictures/{id}/given", _given_picture),
        Route("/pictures/{id}/layers/{task}/{option}", _paint, methods=["PUT"]),
        Route("/pictures/{id}/layers/{option}", _layer, methods=["GET"]),
        Route("/pictures/{id}/files/{task}/{option}", _bring_file, methods=["PUT"]),
        Route("/pictures/{id}/files/{option}", _forget_file, methods=["DELETE"]),
        Route("/same", _same, methods=["POST"]),
        Route("/runs", _start, methods=["POST"]),
        Route("/runs/{id}", _remove_run, methods=["DELETE"]),
        Route("/runs/{id}/stop", _stop, methods=["POST"]),
        Route("/runs/{id}/continue", _continue, methods=["POST"]),
        Route("/runs/{id}/preview", _preview),
        Route("/runs/{id}/shown", _shown_run),
        Route("/runs/{id}/result", _result),
        Route("/runs/{id}/formats/{format}", _prepare, methods=["POST"]),
        Route("/runs/{id}/bring", _bring_result, methods=["POST"]),
    ]
    app = Starlette(routes=routes, lifespan=life, exception_handlers={RefusedError: _refused})
    return Guard(app, token, port)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return JSONResponse({"error": str(error), "field": error.field}, error.status)


def _bench(request: Request) -> Workbench:
    return request.app.state.workbench


# --- the page and its tables -----------------------------------------------------------------------------------


@functools.cache
def _page() -> dict[str, bytes]:
    folder = files("zeroshot.app") / "page"
    return {one.name: one.read_bytes() for one in folder.iterdir() if Path(one.name).suffix in _TYPES}


async def _page_file(request: Request, name: str | None = None) -> Response:
    name = name or request.path_params["name"]
    if name not in _page():
        raise RefusedError("there is no such page", status=404)
    return Response(_page()[name], media_type=_TYPES[Path(name).suffix])


async def _tables(request: Request) -> Response:
    limits = {"bytes": MOST_BYTES, "pixels": MOST_PIXELS}
    told = await run_in_threadpool(_told_tables)
    return JSONResponse({**told, "limits": limits})


def _told_tables() -> dict[str, Any]:
    return {
        "tasks": task_tables(),
        "priors": prior_tables(),
        "formats": format_tables(),
        "advanced": advanced_fields(),
    }


async def _settings(request: Request) -> Response:
    return JSONResponse(setting_table(request.path_params["name"]))


async def _news(request: Request) -> Response:
    """All pictures and runs, as soon as they are newer than what the browser knows."""
    after = request.query_params.get("after", "")
    await _bench(request).changed_since(int(after) if after.isdecimal() else -1, _NEWS_SECONDS)
    return JSONResponse(_bench(request).described())


# --- pictures --------------------------------------------------------------------------------------------------


def _require_small(request: Request) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MOST_BYTES:
        raise too_large()


async def _bring(request: Request) -> Response:
    _require_small(request)
    name = request.query_params.get("name", "picture.png")
    picture = await _bench(request).bring(name, request.stream())
    return JSONResponse(picture.described())


async def _remove_picture(request: Request) -> Response:
    _bench(request).remove_picture(request.path_params["id"])
    return Response(status_code=204)


async def _shown_picture(request: Request) -> Response:
    bench = _bench(request)
    return FileResponse(bench.shown(bench.picture(request.path_params["id"]).folder), media_type="image/png")


async def _given_picture(request: Request) -> Response:
    picture = _bench(request).picture(request.path_params["id"])
    return FileResponse(picture.source, media_type="application/octet-stream", filename=picture.name)


async def _paint(request: Request) -> Response:
    _require_small(request)
    data = await request.body()
    told = request.path_params
    name = _bench(request).paint(told["id"], told["task"], told["option"], data)
    return JSONResponse({"name": name})


async def _layer(request: Request) -> Response:
    picture = _bench(request).picture(request.path_params["id"])
    name = picture.files.get(request.path_params["option"])
    if name is None:
        raise RefusedError("nothing is painted yet", status=404)
    path = picture.folder / "layers" / name
    kind = "image/png" if path.suffix == ".png" else "application/octet-stream"
    return FileResponse(path, media_type=kind, filename=name)


async def _bring_file(request: Request) -> Response:
    _require_small(request)
    told, name = request.path_params, request.query_params.get("name", "file")
    bench = _bench(request)
    kept = await bench.bring_file(told["id"], told["task"], told["option"], name, request.stream())
    return JSONResponse({"name": kept})


async def _forget_file(request: Request) -> Response:
    _bench(request).forget_file(request.path_params["id"], request.path_params["option"])
    return Response(status_code=204)


# --- runs ------------------------------------------------------------------------------------------------------


async def _form(request: Request) -> dict[str, Any]:
    data = await request.body()
    try:
        form = json.loads(data) if len(data) <= _MOST_FORM else None
    except ValueError:
        form = None
    if not isinstance(form, dict):
        raise RefusedError("the form did not arrive whole", status=400)
    return form


async def _same(request: Request) -> Response:
    """The form as a command and in Python, or what is still amiss: nobody has asked for a run yet."""
    try:
        picture, order = _bench(request).order(await _form(request))
    except RefusedError as error:
        return JSONResponse({"error": str(error), "field": error.field})
    return JSONResponse({"command": order.as_command(picture.name), "python": order.as_python(picture.name)})


async def _start(request: Request) -> Response:
    run = _bench(request).start(await _form(request))
    return JSONResponse(run.described())


async def _stop(request: Request) -> Response:
    _bench(request).stop(request.path_params["id"])
    return Response(status_code=204)


async def _continue(request: Request) -> Response:
    _bench(request).resume(request.path_params["id"])
    return Response(status_code=204)


async def _remove_run(request: Request) -> Response:
    _bench(request).remove_run(request.path_params["id"])
    return Response(status_code=204)


async def _preview(request: Request) -> Response:
    path = _bench(request).run(request.path_params["id"]).folder / PREVIEW
    if not path.is_file():
        raise RefusedError("there is no preview yet", status=404)
    # Read at once: the next preview replaces it.
    return Response(await run_in_threadpool(path.read_bytes), media_type="image/jpeg")


async def _shown_run(request: Request) -> Response:
    bench = _bench(request)
    return FileResponse(bench.shown(bench.run(request.path_params["id"]).folder), media_type="image/png")


async def _prepare(request: Request) -> Response:
    """Write a result in another format, so that what it cannot hold is told before it is downloaded."""
    await _bench(request).download(request.path_params["id"], request.path_params["format"])
    return Response(status_code=204)


async def _result(request: Request) -> Response:
    format = request.query_params.get("format", "")
    path = await _bench(request).download(request.path_params["id"], format)
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


async def _bring_result(request: Request) -> Response:
    """Take a result as the next picture."""
    path = await _bench(request).download(request.path_params["id"], "")

    async def chunks() -> AsyncIterator[bytes]:
        yield await run_in_threadpool(path.read_bytes)

    picture = await _bench(request).bring(path.name, chunks())
    return JSONResponse(picture.described())


# --- the life of the server ------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """A server that says when it can be asked, and lets those go who wait for news when it ends."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], leave: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready, self._leave = ready, leave

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; whoever waits for news is told so first, for no request is cut off."""
        self._leave()
        await super().shutdown(sockets)


def serve(port: int, *, opens_browser: bool) -> int:
    """Serve the page until Ctrl-C; the exit code.

    Parameters
    ----------
    port : int
        Where; 0 takes one that is free.
    opens_browser : bool
        Whether the browser is shown the page.

    Raises
    ------
    OSError
        Where the port is taken.
    """
    listening = _listening(port)
    port, token = listening.getsockname()[1], secrets.token_urlsafe(24)
    address = f"http://{_HOST}:{port}/?token={token}"

    def ready() -> None:
        say(f"zeroshot: the page is at {address}")
        say("zeroshot: it is for this machine alone; Ctrl-C ends it, and removes what it was given")
        if opens_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    benches: list[Workbench] = []

    def workbench() -> Workbench:
        benches.append(Workbench())
        return benches[-1]

    def leave() -> None:
        for bench in benches:
            bench.leave()

    config = uvicorn.Config(
        application(workbench, token, port),
        log_level="error",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError), listening:
        _Server(config, ready, leave).run(sockets=[listening])
    return 0


def _listening(port: int) -> socket.socket:
    """A socket on this machine alone."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.bind((_HOST, port))
    except OSError as error:
        found.close()
        raise OSError(f"port {port} cannot be used: {error.strerror}; choose another with --port") from None
    return found
