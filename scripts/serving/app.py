"""The dashboard's addresses, and what answers at each."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from chalicelib.core.errors import SluiceError, UserError
from scripts.log_reading.lines import LEVELS
from scripts.log_reading.lines import Wanted as WantedLines
from scripts.reporting.gather import gather
from scripts.reporting.page import page as report_page

from . import facts, live
from .access import REPORTS, Door, Gate
from .actions import Actions
from .sources import Sources, Wanted, Way

_PAGE = Path(__file__).parent / "page"
#: Bytes of a question's body, and of a file that are written at once.
_SMALL, _BLOCK = 1 << 16, 1 << 20
#: Rows of a page of the list.
MOST_ROWS = 200
_STANDINGS: tuple[Way, ...] = ("", "under way", "succeeded", "failed")


class Dashboard:
    """What all answers need."""

    def __init__(
        self,
        sources: Sources,
        actions: Actions,
        door: Door,
        *,
        logs: Callable[[], Any],
        every: float,
        ending: Callable[[], bool],
    ) -> None:
        self.sources, self.actions, self.door = sources, actions, door
        self.logs, self.every, self._ending = logs, every, ending

    def app(self) -> Gate:
        """The application, behind its gate."""
        run = "/api/run/{source:int}/{job}/{run}"
        upload = "/api/upload/{source:int}"
        routes = [
            Route("/", self.page),
            Route("/page/{name}", self.page),
            Route("/api/sources", self.list_sources),
            Route("/api/runs", self.list_runs),
            Route("/api/live", self.live_list),
            Route(run, self.run),
            Route(f"{run}/live", self.live_run),
            Route(f"{run}/log", self.log),
            Route(f"{run}/bad", self.bad),
            *(Route(f"{run}/{name}", partial(self.act, name), methods=["POST"]) for name in _ACTIONS),
            Route(upload, self.begin_upload, methods=["POST"]),
            Route(f"{upload}/{{upload}}", self.end_upload, methods=["POST"]),
            Route(f"{upload}/{{upload}}/{{name}}", self.upload, methods=["PUT"]),
            Route("/api/follow/{started}", self.follow),
            Route(f"{REPORTS}{{source:int}}/{{job}}/{{run}}", self.report),
        ]
        return Gate(Starlette(routes=routes, exception_handlers={SluiceError: _told}), self.door)

    # -- the page ------------------------------------------------------------------------------------

    def page(self, request: Request) -> Response:
        """One of our own files; the gate lets through none but those that there are."""
        name = request.path_params.get("name", "dashboard.html")
        kind, _ = mimetypes.guess_type(name)
        return Response((_PAGE / name).read_bytes(), media_type=kind)

    def report(self, request: Request) -> Response:
        number, job, run = _run(request)
        source, keys = self.sources.named(number, job, run)
        return HTMLResponse(
            report_page(gather(self.sources.world, self.sources.place(source, job), keys.run))
        )

    def report_url(self, source: int, job: str, run: str) -> str:
        """Where a browser can open a run's report without the token."""
        path = f"{REPORTS}{source}/{job}/{run}"
        return f"{quote(path)}?key={self.door.key(path)}"

    # -- what is read --------------------------------------------------------------------------------

    def list_sources(self, _: Request) -> Response:
        self.sources.refresh()
        told = [
            {
                "jobs": sorted({keys.job for keys in source.runs}),
                "title": source.title,
                "work": source.place.work.url,
                "deployed": source.deployed,
                "tags": [given.tag for given in source.place.spec.inputs] if source.place.spec else [],
                "watches": source.place.spec.input.url if source.place.spec else "",
            }
            for source in self.sources.all
        ]
        return JSONResponse({"sources": told, "problems": self.sources.problems, "every": self.every})

    def list_runs(self, request: Request) -> Response:
        asked = request.query_params
        standing = asked.get("standing", "")
        known = [name for name in _STANDINGS if name == standing]
        if not known:
            raise UserError(f"standing={standing}: expected one of {', '.join(_STANDINGS[1:])}")
        wanted = Wanted(
            source=_number(asked.get("source")),
            job=asked.get("job", ""),
            text=asked.get("text", ""),
            standing=known[0],
        )
        first, rows = _number(asked.get("first")) or 0, _number(asked.get("count")) or MOST_ROWS
        found = self.sources.find(wanted, first, min(rows, MOST_ROWS))
        return JSONResponse(live.page_of(found, self.report_url))

    def run(self, request: Request) -> Response:
        return JSONResponse(self._look(request)())

    def log(self, request: Request) -> Response:
        number, job, run = _run(request)
        _, keys = self.sources.named(number, job, run)
        level = request.query_params.get("level") or None
        if level not in (None, *LEVELS):
            raise UserError(f"level={level}: expected one of {', '.join(LEVELS)}")
        task, attempt = (_number(request.query_params.get(name)) for name in ("task", "attempt"))
        wanted = WantedLines(run=run, task=task, attempt=attempt, level=level)
        return JSONResponse(facts.log(keys, wanted, self.logs))

    def bad(self, request: Request) -> Response:
        return JSONResponse(facts.bad(self.sources, *_run(request)))

    # -- what is pushed ------------------------------------------------------------------------------

    async def live_list(self, request: Request) -> Response:
        return self._stream(request, live.ListNews(self.sources, self.report_url))

    async def live_run(self, request: Request) -> Response:
        look = self._look(request)
        await run_sync(look)  # says if there is no such run

        def tell() -> dict[str, Any]:
            told = look()
            return told | {"last": told["ended"]}

        return self._stream(request, tell)

    async def follow(self, request: Request) -> Response:
        known = self.actions.started.get(request.path_params["started"])
        if known is None:
            raise UserError("nobody remembers what this started: the list of runs has it")
        return self._stream(request, live.Following(self.sources, *known, self.report_url))

    def _stream(self, request: Request, tell: live.Telling) -> Response:
        async def over() -> bool:
            return self._ending() or await request.is_disconnected()

        return StreamingResponse(live.events(tell, self.every, over), media_type="text/event-stream")

    def _look(self, request: Request) -> facts.Look:
        return facts.Look(self.sources, *_run(request), self.report_url)

    # -- what is done --------------------------------------------------------------------------------

    async def act(self, name: str, request: Request) -> Response:
        body, act = (await _small(request)).decode(errors="replace"), getattr(self.actions, name)
        given = (body,) if name == "stop" else ()
        return JSONResponse(await run_sync(lambda: act(*_run(request), *given)))

    def begin_upload(self, request: Request) -> Response:
        return JSONResponse({"upload": self.actions.begin_upload(request.path_params["source"])})

    async def upload(self, request: Request) -> Response:
        named = request.path_params
        with self.actions.file(named["upload"], named["name"], request.query_params.get("tag", "")) as path:
            try:
                await _write(request, path)
            except OSError as error:
                raise UserError(f"{named['name']}: cannot be kept here: {error.strerror}") from error
        return JSONResponse({})

    def end_upload(self, request: Request) -> Response:
        named = request.path_params
        return JSONResponse(self.actions.end_upload(named["source"], named["upload"]))


#: Methods of `Actions` that take a run.
_ACTIONS = ("stop", "again", "resume", "redrive")


def _run(request: Request) -> tuple[int, str, str]:
    named = request.path_params
    return named["source"], named["job"], named["run"]


def _number(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UserError(f"{text}: expected a number")
    return int(text)


async def _small(request: Request) -> bytes:
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > _SMALL:
            raise UserError(f"expected at most {_SMALL} bytes")
    return body


async def _write(request: Request, path: Path) -> None:
    held = bytearray()
    with await run_sync(lambda: path.open("xb")) as file:
        async for block in request.stream():
            held += block
            if len(held) >= _BLOCK:
                await run_sync(file.write, held)
                held.clear()
        await run_sync(file.write, held)


def _told(_: Request, error: Exception) -> Response:
    """What somebody can mend is theirs, all else is the store's, or AWS's."""
    return JSONResponse({"error": str(error)}, status_code=400 if isinstance(error, UserError) else 502)
