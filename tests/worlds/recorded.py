"""A world in which one handler is looked at by itself: a memory store, a clock that is set, calls that are noted.

Nothing that is invoked runs. `simulation.py` is the whole cloud.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chalicelib.core.ports import Loc, ObjectInfo, Runtime
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.worlds.simulation import IN, Killed

START = 1_795_000_000.0  # 2026-11-18


class Recorded:
    """`log` has what was written and invoked, in order, by the last part of its name; `kill_after` stops there."""

    def __init__(self, job: type[Any], scratch: Path) -> None:
        self.time = START
        self.store = MemoryStore(now=self.now, on_created=self._created)
        self.log: list[str] = []
        #: (function, payload) of each call.
        self.invoked: list[tuple[str, dict[str, Any]]] = []
        self.kill_after: str | None = None
        self.job = job
        self._scratch = scratch
        self._tokens = 0

    def add(self, name: str, body: bytes, place: Loc = IN) -> tuple[str, ObjectInfo]:
        """Put an object of the input; as a plan wants to know it."""
        loc = place.child(name)
        self.store.put(loc, body)
        self.log.pop()
        return loc.bucket, self.store.head(loc)

    def names(self, place: Loc) -> list[str]:
        return [info.key.removeprefix(place.key) for info in self.store.list(place)]

    def runtime(self) -> Runtime:
        return Runtime(
            store=self.store,
            invoker=self,
            clock=self,
            new_token=self._token,
            remaining=lambda: 300.0,
            load_job=lambda _: self.job,
            disk=LocalDisk(self._scratch),
        )

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        self.invoked.append((function, payload))
        self._note(function)

    def _created(self, loc: Loc) -> None:
        self._note(loc.key.rpartition("/")[2])

    def _note(self, name: str) -> None:
        self.log.append(name)
        if name == self.kill_after:
            self.kill_after = None
            raise Killed

    def _token(self) -> str:
        self._tokens += 1
        return f"{self._tokens:04x}"
