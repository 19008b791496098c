"""A run in this process and thread, one function after the other: for debuggers, for tests of jobs,
and to see where time goes.

Whoever waits lets something else run first; when there is nothing left to run, time passes at once.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any

from ..core.errors import NotFound, RunFailed
from ..core.keys import DONE, OutputKeys
from ..core.messages import decode
from ..core.outcome import Manifest
from ..core.ports import FunctionName, Loc, Runtime
from ..functions import mapper, reducer, supervisor
from ..functions.supervision.may_exchange import may_exchange
from ..run import plan_step
from ..run.events import event_for
from ..stores.disk import LocalDisk
from .local_run import LocalFiles, LocalRun
from .remote.mixed_store import store_over
from .workers import new_token

_HANDLERS: dict[FunctionName, Any] = {
    "mapper": mapper.handle,
    "reducer": reducer.handle,
    "supervisor": supervisor.handle,
}
#: Times a run that stopped moving is looked at again.
_REVIVALS = 5


def run_inline(run: LocalRun) -> Manifest:
    """Run to the end and return the manifest. Raises RunFailed, with the reason, if the run failed."""
    scratch = run.work / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    return _Inline(run, scratch).run()


class _Inline:
    """Invoker and clock of a run: a queue of calls, and the time that was waited without waiting."""

    def __init__(self, run: LocalRun, scratch: Path) -> None:
        self._run = run
        self._queue: deque[tuple[FunctionName, dict[str, Any]]] = deque()
        self._skipped = 0.0
        places = {run.output: run.staging} if run.staging else {}
        self._runtime = Runtime(
            store=store_over([Path("/"), run.work, run.output], self._on_created, places, run.remote),
            invoker=self,
            clock=self,
            new_token=new_token,
            remaining=lambda: float("inf"),
            load_job=run.load_job,
            disk=LocalDisk(scratch),
            files=LocalFiles(run.workers),
        )

    def run(self) -> Manifest:
        run, output = self._run, Loc(str(self._run.output), "")
        new_run = plan_step.NewRun(
            spec=run.spec,
            source=run.source,
            inputs=run.inputs,
            output=output,
            tags=run.tags,
            may_exchange=may_exchange(self._runtime, run.spec),
        )
        plan_step.begin(self._runtime, run.keys, new_run)
        for _ in range(_REVIVALS):
            while self._queue:
                self._call()
            if self._exists(OutputKeys(output).success):
                loc = OutputKeys(output).manifest
                return decode(Manifest, self._runtime.store.get(loc), loc.url)
            if self._exists(OutputKeys(output).failure):
                break
            self.invoke("supervisor", event_for(run.keys.plan_done))
        loc = OutputKeys(output).failure
        reason = self._runtime.store.get(loc).decode().rstrip() if self._exists(loc) else "it stopped moving"
        raise RunFailed(reason)

    def _exists(self, loc: Loc) -> bool:
        try:
            self._runtime.store.head(loc)
        except NotFound:
            return False
        return True

    def _call(self) -> None:
        function, payload = self._queue.popleft()
        _HANDLERS[function](self._runtime, payload)

    def _on_created(self, loc: Loc) -> None:
        if loc.bucket == str(self._run.work) and loc.key.endswith(DONE):
            self.invoke("supervisor", event_for(loc))

    def invoke(self, function: FunctionName, payload: dict[str, Any]) -> None:
        self._queue.append((function, payload))

    def now(self) -> float:
        return time.time() + self._skipped

    def pause(self, seconds: float) -> None:
        if self._queue:
            self._call()
        else:
            self._skipped += seconds
