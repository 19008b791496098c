"""Lambda's side of the Runtime API, so that the official client (`awslambdaric`) can run a function here.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: the client asks for the next invocation,
which waits until there is one, and posts the response, or the error, of each.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

_VERSION = "/2018-06-01/runtime/"
REGION, ACCOUNT = "us-east-1", "000000000000"


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended. `kind` is `response`, `error` or, before any, `init-error`."""

    kind: str
    body: Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A process that we end leaves its connection open; all else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class RuntimeApi:
    """Hands out invocations one by one and collects how they end."""

    def __init__(self) -> None:
        self.todo: queue.Queue[tuple[str, bytes, float] | None] = queue.Queue()
        self.ended: queue.Queue[Outcome] = queue.Queue()
        #: When the client asked for its first invocation: the process was ready then.
        self.ready: float | None = None
        self.arn = ""
        api = self

        class Handler(_Handler):
            owner = api

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def close(self) -> None:
        self.todo.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: RuntimeApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing: the test's output is for results."""

    def do_GET(self) -> None:
        api = self.owner
        if self.path != f"{_VERSION}invocation/next":
            self._answer(404)
            return
        if api.ready is None:
            api.ready = time.monotonic()
        work = api.todo.get()
        if work is None:
            self.close_connection = True
            return
        request, body, seconds = work
        self._answer(
            200,
            body,
            {
                "Lambda-Runtime-Aws-Request-Id": request,
                "Lambda-Runtime-Deadline-Ms": str(round((time.time() + seconds) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": api.arn,
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        tail = self.path.removeprefix(_VERSION)
        kind = "init-error" if tail == "init/error" else tail.rpartition("/")[2]
        self.owner.ended.put(Outcome(kind, json.loads(body) if body else None))
        self._answer(202)

    def _answer(self, status: int, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class LambdaProcess:
    """One process of a function: the unpacked zip at `code`, run by `python -m awslambdaric HANDLER`.

    `python` must be of an environment that has what Lambda has, and nothing else.
    """

    def __init__(self, python: Path, code: Path, name: str, handler: str, environ: Mapping[str, str]) -> None:
        self.api = RuntimeApi()
        self.api.arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        self._said: str | None = None
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [python, "-s", "-m", "awslambdaric", handler],
            cwd=code,
            env={
                "PATH": "/usr/bin:/bin",
                "LANG": "en_US.UTF-8",
                "TZ": ":UTC",
                "PYTHONPATH": str(code),
                "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's own code folder is read only
                "LAMBDA_TASK_ROOT": str(code),
                "_HANDLER": handler,
                "AWS_LAMBDA_RUNTIME_API": self.api.address,
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": "here",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                **environ,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def invoke(self, event: Any, seconds: float = 60.0) -> Outcome:
        """Raises AssertionError, with what the process printed, if it ends or does not answer in time."""
        self.api.todo.put((f"request-{time.monotonic_ns()}", json.dumps(event).encode(), seconds))
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.api.ended.get(timeout=0.1)
            except queue.Empty:
                status = self._process.poll()
                if status is not None or time.monotonic() > deadline:
                    said = self.stop()
                    raise AssertionError(f"no answer (exit status {status}); it said:\n{said}") from None

    @property
    def cold_start(self) -> float:
        """Seconds from the process's start until it asked for its first invocation."""
        assert self.api.ready is not None, "no invocation was asked for yet"
        return self.api.ready - self.started

    def stop(self) -> str:
        """End the process; what it printed."""
        if self._said is None:
            self._process.kill()
            self._said = self._process.communicate()[0]
        return self._said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.api.close()
