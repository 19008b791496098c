"""Runs MiniStack behind a gate: only who has the keys of this start gets in, and no web page does.

MiniStack answers everybody, and lets web pages read its answers; a page that a developer visits could have it
run code. So each request must name this host, come from no web page, and be signed with the secret key
(AWS's Signature Version 4). Times are not checked: clocks of functions may be wrong in tests.

    GATEWAY_PORT=4566 GATEWAY_EVENTS_AT_ONCE=16 AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... \
        python gate.py .venv-cloud/bin/ministack

It runs with the Python that MiniStack is installed for, and imports nothing of Sluice.
"""

from __future__ import annotations

import hmac
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The account that MiniStack's functions sign for, with the same secret.
ACCOUNT = "000000000000"
#: Asked for by whoever waits until MiniStack is up; tells nothing.
HEALTH = "/_ministack/health"
_SCHEME = "AWS4-HMAC-SHA256 "
#: What a browser says about the page that asks, and no other program does.
_OF_A_PAGE = ("origin", "referer", "sec-fetch-site", "sec-fetch-mode")
#: The error, by a name that clients of all services know.
_CODE = "SignatureDoesNotMatch"
#: botocore leaves these out of a signature, however they are named in it.
_UNSIGNED = ("authorization", "content-length")
#: Seconds until a function that was made or changed is active. MiniStack's half a second, four times for each
#: deployment, is a third of what one takes here.
_ACTIVE_AFTER = 0.05


@dataclass(frozen=True, kw_only=True)
class Gate:
    """An ASGI application that passes on to `app` what may get in, and answers 403 to all else."""

    app: App
    port: int
    key_id: str
    secret: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        reason = self.foreign(scope, headers)
        if scope["type"] == "http" and not reason:
            if scope["path"] == HEALTH and scope["method"] == "GET":
                await self.app(scope, receive, _private(send))
                return
            if headers.get("authorization", "").startswith(_SCHEME):  # no body is read for others
                body = await _body(receive)
                if self.signed(scope, headers, body):
                    await self.app(scope, _again(body, receive), _private(send))
                    return
            reason = "not signed with the keys of this emulator: use those that scripts/cloud.py wrote"
        await _refuse(scope, send, reason)

    def foreign(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """Why the request cannot be of a program that was given our address; "" if it can."""
        if scope["type"] != "http":
            return "only HTTP is answered"
        if headers.get("host") not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return "the Host is not this emulator's"
        if any(name in headers for name in _OF_A_PAGE):
            return "web pages may not use this emulator"
        return ""

    def signed(self, scope: Scope, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the request is signed with our secret."""
        given = dict(
            part.strip().partition("=")[::2]
            for part in headers["authorization"].removeprefix(_SCHEME).split(",")
        )
        credential = given.get("Credential", "").split("/")
        names = given.get("SignedHeaders", "").split(";")
        if len(credential) != 5 or credential[0] not in (self.key_id, ACCOUNT) or "host" not in names:
            return False
        key_id, _, region, service, _ = credential
        signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(
            Credentials(key_id, self.secret), service, region
        )
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        request = AWSRequest(scope["method"], f"http://{headers['host']}{path}?{query}", data=body)
        for name in names:
            if name not in _UNSIGNED:
                request.headers[name] = headers.get(name, "")
        request.context["timestamp"] = headers.get("x-amz-date", "")
        wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return hmac.compare_digest(wanted.encode(), given.get("Signature", "").encode())


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body once more, then what comes after it: the end of the connection."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return left.pop() if left else await receive()

    return receive_again


def _private(send: Send) -> Send:
    """Answers without the headers that let web pages read them."""

    async def send_private(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": list(_without_cors(message.get("headers", ())))}
        await send(message)

    return send_private


def _without_cors(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name, value) for name, value in headers if not name.lower().startswith(b"access-control-"))


async def _refuse(scope: Scope, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    error = f"<Error><Code>{_CODE}</Code><Message>refused: {reason}</Message></Error>"
    body = f"<ErrorResponse>{error}</ErrorResponse>\n".encode()
    headers = [
        (b"content-type", b"text/xml"),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-errortype", _CODE.encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Start MiniStack's own server with the gate in front of its application."""
    from async_queue import keep_events  # type: ignore[import-not-found]
    from ministack import app as server  # type: ignore[import-not-found]
    from ministack.core import lambda_runtime  # type: ignore[import-not-found]
    from ministack.services import lambda_svc  # type: ignore[import-not-found]
    from shared_code import share_code  # type: ignore[import-not-found]
    from warm_start import start_warm  # type: ignore[import-not-found]

    keep_events(lambda_svc, at_once=int(os.environ["GATEWAY_EVENTS_AT_ONCE"]))
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = _ACTIVE_AFTER
    share_code(lambda_runtime, Path(tempfile.mkdtemp(prefix="code-")))
    if os.environ.get("GATEWAY_WARM_STARTS"):
        start_warm(lambda_runtime)
    server.app = Gate(
        app=server.app,
        port=int(os.environ["GATEWAY_PORT"]),
        key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret=os.environ["AWS_SECRET_ACCESS_KEY"],
    )
    sys.argv[1:] = []
    server.main()


if __name__ == "__main__":
    main()
