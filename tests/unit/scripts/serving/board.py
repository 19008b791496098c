"""A dashboard that really listens, over a store in memory or a folder, and a client that sets each header itself."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.core.ports import Loc
from scripts.runs.world import World, open_store
from scripts.serving.serve import Serving, serve
from scripts.submitting.world import World as SubmitWorld
from tests.unit.scripts.user import User

TOKEN = "the-token"
BY = "arn:aws:iam::1:user/alice"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Calls:
    """Stands for Lambda: what was invoked."""

    made: list[tuple[str, Any]] = field(default_factory=list)

    def invoke(self, function: str, payload: Any) -> None:
        self.made.append((function, payload))


@dataclass
class Board:
    """A dashboard at work."""

    serving: Serving
    calls: Calls
    folder: Path

    @property
    def port(self) -> int:
        return self.serving.door.port

    def raw(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"") -> Answer:
        """A request with these headers and a length, and none besides."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in [*headers, ("Content-Length", str(len(body)))]:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())
        finally:
            connection.close()

    def headers(self) -> dict[str, str]:
        """What the page itself would send."""
        host = f"127.0.0.1:{self.port}"
        return {"Host": host, "Origin": f"http://{host}", "Authorization": f"Bearer {TOKEN}"}

    def ask(
        self, path: str, method: str = "GET", body: bytes = b"", more: Mapping[str, str | None] | None = None
    ) -> Answer:
        """As the page asks, but for the headers in `more`; None leaves one out."""
        asked = {**self.headers(), **(more or {})}
        return self.raw(
            method, path, [(name, value) for name, value in asked.items() if value is not None], body
        )

    def get(self, path: str) -> Any:
        answer = self.ask(path)
        assert answer.status == 200, answer
        return answer.json

    def post(self, path: str, body: bytes = b"") -> Any:
        answer = self.ask(path, "POST", body)
        assert answer.status == 200, answer
        return answer.json

    @contextmanager
    def stream(self, path: str) -> Iterator[Callable[[], Any]]:
        """A function that waits for the next thing that is pushed; None at the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers=self.headers())
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            assert answer.getheader("content-type", "").startswith("text/event-stream")

            def news() -> Any:
                for line in answer:
                    if line.startswith(b"data: "):
                        return json.loads(line.removeprefix(b"data: "))
                return None

            yield news
        finally:
            connection.close()


@contextmanager
def running(serving: Serving, calls: Calls, folder: Path) -> Iterator[Board]:
    thread = threading.Thread(target=serving.run, daemon=True)
    thread.start()
    try:
        yield Board(serving, calls, folder)
    finally:
        serving.end()
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def board_of(user: User, *, works: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> Iterator[Board]:
    """The dashboard of somebody whose S3 is a store in memory; work folders are real ones."""
    calls = Calls()

    def store(work: Loc, runs: Any) -> Any:
        return open_store(work, runs) if work.bucket.startswith("/") else user.store

    world = World(root=user.root, environ={}, screen=user.screen(), clock=user.clock, open_store=store)
    submitting = SubmitWorld(
        root=user.root, environ={}, screen=user.screen(), clock=user.clock, store=lambda: user.store,
        upload=lambda path, loc: user.store.put(loc, path.read_bytes()) and None, invoker=lambda job: calls,
    )  # fmt: skip
    folder = user.root / "uploads"
    serving = serve(
        world, submitting, names, works, port=0, every=0.02, token=TOKEN, by=lambda work: BY,
        logs=lambda: None, folder=folder,
    )  # fmt: skip
    with running(serving, calls, folder) as board:
        yield board
