"""Who may speak to the dashboard: this machine's browser, on the dashboard's own page, with the token of this start.

Any page that a browser shows can send requests to loopback, any user of this machine can connect to it, and a name
of somebody else's can lead here. So each request has to name the right host, no other origin, and (but for the page
itself, which holds nothing) the token. It comes in a header, never in a cookie: a cookie would be sent to every port
of this host. A report is opened by the browser itself, with a key that is good for reading this one report.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
#: What the page consists of.
FILES = ("dashboard.css", "dashboard.js", "drop.js", "icon.svg", "list.js", "run.js", "show.js", "talk.js")
#: What may be had without the token: the page, empty as it is.
OPEN = frozenset(("/", *(f"/page/{name}" for name in FILES)))
REPORTS = "/report/"
_BEARER = "Bearer "

#: The page runs its own scripts, asks its own server, and makes no HTML out of text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
#: A report has a policy of its own in it. It shall not be the dashboard's origin either, whose page knows the token.
REPORT_POLICY = "sandbox allow-scripts; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class Door:
    """Where the dashboard listens, and the token of this start."""

    port: int
    token: str

    @property
    def hosts(self) -> tuple[str, ...]:
        return f"{HOST}:{self.port}", f"localhost:{self.port}"

    @property
    def url(self) -> str:
        """For whoever started it; what follows `#` is never sent, and so is in no log."""
        return f"http://{self.hosts[0]}/#token={self.token}"

    def key(self, path: str) -> str:
        """What lets its holder read the report at `path` (as it is before it is quoted), and nothing else."""
        return hmac.new(self.token.encode(), path.encode(), hashlib.sha256).hexdigest()


def refusal(
    door: Door, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[int, str] | None:
    """(HTTP status, reason) why a request is refused; None if it is not. Names of headers are in lower case."""
    host = headers.get("host", "")
    if host not in door.hosts:
        return 403, f"host: expected {door.hosts[0]}"
    if "origin" in headers and headers["origin"] != f"http://{host}":
        return 403, "origin: another page's"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return 403, "another page's request"
    if path in OPEN or (path.startswith(REPORTS) and _same(query.get("key", ""), door.key(path))):
        return None
    given = headers.get("authorization", "")
    if given.startswith(_BEARER) and _same(given.removeprefix(_BEARER), door.token):
        return None
    return 401, "token: missing, or of another start: open the address that dashboard.py printed"


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


class Gate:
    """Lets through what may pass, before anything else looks at it, and sets the headers of all answers."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"expected HTTP, got {scope['type']}")
        path: str = scope["path"]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers["content-security-policy"] = REPORT_POLICY if path.startswith(REPORTS) else POLICY
            await send(message)

        told = Headers(scope=scope)
        # One of each: of two hosts or origins, another program might believe the other one.
        doubled = [name for name in ("host", "origin", "authorization") if len(told.getlist(name)) > 1]
        refused = refusal(self._door, path, QueryParams(scope["query_string"]), told)
        if doubled:
            refused = 400, f"{doubled[0]}: expected one"
        app = self._app
        if refused:
            app = JSONResponse({"error": refused[1]}, status_code=refused[0])
        await app(scope, receive, with_headers)
