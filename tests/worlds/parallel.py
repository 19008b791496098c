"""A simulated cloud in which invocations run side by side, in virtual time: what takes how long is exact.

Each invocation is a thread, but only one of them runs at a time: until it pauses or ends. Then time jumps to the
next one that is due. `simulation.py` is simpler, and can do more harm; there one invocation's time is all's.
"""

from __future__ import annotations

import heapq
import json
import threading
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from chalicelib.core.keys import DONE, OutputKeys, RunKeys, parse_run_key
from chalicelib.core.ports import Loc, ObjectInfo, Runtime
from chalicelib.core.spec import JobSpec
from chalicelib.run import plan_step
from chalicelib.run.events import event_for
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.worlds.simulation import HANDLERS, IN, OUT, WORK, Killed

START = 1_700_000_000.0
#: Seconds for which one invocation may run between two pauses, in real time, before a test gives up.
_PATIENCE = 60.0


class Parallel:
    """Runs one run of `job` to its end; `job.cloud` is this object, for its code to pause and to die by."""

    def __init__(
        self,
        job: type[Any],
        spec: JobSpec,
        scratch: Path,
        lifetime: float = 900.0,
        handlers: Mapping[str, Callable[[Runtime, dict[str, Any]], object]] = HANDLERS,
    ) -> None:
        self.time = START
        self.memory = MemoryStore(now=lambda: self.time, on_created=self._created)
        self.spec = spec
        self.keys = RunKeys(WORK, "job", "20260101T000000-a")
        self.output = OutputKeys(OUT)
        #: (seconds after the start, function, payload) of each invocation.
        self.invoked: list[tuple[float, str, dict[str, Any]]] = []
        self.errors: list[BaseException] = []
        #: For the user's code to remember things over its executions.
        self.notes: set[str] = set()
        self._job = type("Here", (job,), {"cloud": self})
        self.disk = LocalDisk(scratch)
        self._lifetime = lifetime
        self._handlers = handlers
        self._due: list[tuple[float, int, threading.Event]] = []
        self._number = count()
        self._back = threading.Event()
        self._over = False

    # -- what a test does ---------------------------------------------------------------------------

    def run(self, inputs: dict[str, bytes]) -> float:
        """Seconds until the run has ended."""
        infos = []
        for name, body in inputs.items():
            loc = IN.child(name)
            etag = self.memory.put(loc, body)
            infos.append((loc.bucket, ObjectInfo(loc.key, len(body), etag, self.time)))
        runtime = self._runtime()
        run = plan_step.NewRun(spec=self.spec, source="test", inputs=infos, output=self.output.prefix)
        plan_step.begin(runtime, self.keys, run)
        self.work(self._ended)
        return self.time - START

    def work(self, ended: Callable[[], bool] = lambda: False) -> None:
        """Let happen what is due, one after the other, until `ended`; who waits then is gone."""
        while self._due and not ended():
            self.time, _, turn = heapq.heappop(self._due)
            turn.set()
            assert self._back.wait(_PATIENCE), "an invocation does not come to an end"
            self._back.clear()
        self._over = True
        for _, _, turn in self._due:
            turn.set()

    def rows(self) -> list[str]:
        parts = [info for info in self.memory.list(OUT) if "part-" in info.key]
        return [row for info in parts for row in self.memory.get(Loc("out", info.key)).decode().splitlines()]

    # -- what the user's code does ------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """Let others run for so many seconds of virtual time."""
        turn = threading.Event()
        heapq.heappush(self._due, (self.time + max(seconds, 0.001), next(self._number), turn))
        self._back.set()
        turn.wait()
        if self._over:
            raise Killed

    def die(self) -> None:
        """The function vanishes: no marker, no word, no second delivery."""
        raise Killed

    # -- what the functions do ----------------------------------------------------------------------

    def now(self) -> float:
        return self.time

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        turn = threading.Event()
        payload = json.loads(json.dumps(payload))  # as Lambda has it: by value
        self.invoked.append((self.time - START, function, payload))
        heapq.heappush(self._due, (self.time, next(self._number), turn))

        def work() -> None:
            turn.wait()
            if self._over:
                return
            try:
                self._handlers[function](self._runtime(), payload)
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - for the test to see
                self.errors.append(error)
            finally:
                self._back.set()

        threading.Thread(target=work, daemon=True).start()

    def _created(self, loc: Loc) -> None:
        if parse_run_key(*loc) and loc.key.endswith(DONE):
            self.invoke("supervisor", event_for(loc))

    def _ended(self) -> bool:
        there = {info.key for info in self.memory.list(OUT)}
        return bool(there & {self.output.success.key, self.output.failure.key})

    def _runtime(self) -> Runtime:
        deadline = self.time + self._lifetime
        tokens: Callable[[], str] = lambda: f"{next(self._number):06x}"  # noqa: E731
        return Runtime(
            store=self.memory,
            invoker=self,
            clock=self,
            new_token=tokens,
            remaining=lambda: deadline - self.time,
            load_job=lambda _: self._job,
            disk=self.disk,
        )
