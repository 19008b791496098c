"""One run whose functions are called by hand: a memory store, a clock that we set, an invoker that remembers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chalicelib import Job
from chalicelib.core.keys import Phase, RunKeys, parse_done
from chalicelib.core.messages import decode, encode, from_payload, to_payload
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Host, Loc, Runtime
from chalicelib.core.tasks import Failure, MapMarker, ReduceMarker, TaskCall
from chalicelib.functions import mapper, reducer
from chalicelib.mapreduce.shuffle.offsets import unpack
from chalicelib.mapreduce.shuffle.run_file import read_blocks
from chalicelib.run import plan_step
from chalicelib.run.calls import call_for
from chalicelib.run.events import created
from chalicelib.run.reduce_plan import plan_reduce
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.worlds.simulation import spec

HANDLERS: dict[Phase, Any] = {"map": mapper.handle, "exchange": reducer.handle, "reduce": reducer.handle}
SOURCE, OUTPUT = Loc("in", "data/a.txt"), Loc("out", "")


class _Store(MemoryStore):
    """In memory; `race` happens, once, just before the next marker would be created."""

    race: Callable[[], object] | None = None

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        if self.race and parse_done(loc.key) is not None:
            race, self.race = self.race, None
            race()
        return super().put_if_absent(loc, body, mark)


class OneRun:
    """A run over one object, planned; nothing runs but what a test calls.

    `lifetime` is how many seconds an invocation has by `time`, which only a test or a job's code moves.
    """

    def __init__(
        self, job: type[Job], text: bytes, scratch: Path, *, lifetime: float = 10.0, **figures: Any
    ) -> None:
        self.time = 1000.0
        self.lifetime = lifetime
        self.host: Host | None = None
        self.store = _Store(now=lambda: self.time)
        self.keys = RunKeys(Loc("work", ""), "job", "run")
        #: What was invoked and not delivered yet: (function, call).
        self.invoked: list[tuple[str, TaskCall]] = []
        #: What supervisors were woken for, by the last part of its name.
        self.woken: list[str] = []
        self._job, self._scratch, self._tokens = job, scratch, 0
        self.store.put(SOURCE, text)
        input_info = (SOURCE.bucket, self.store.head(SOURCE))
        run = plan_step.NewRun(spec=spec(**figures), source=SOURCE.url, inputs=[input_info], output=OUTPUT)
        plan_step.begin(self.runtime(), self.keys, run)
        ((_, self.root),) = self.invoked
        self.invoked = []

    # -- the world ------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        raise AssertionError("neither a mapper nor a reducer waits")

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        if function == "supervisor":
            self.woken += [item.loc.key.rpartition("/")[2] for item in created(payload)]
        else:
            self.invoked.append((function, from_payload(TaskCall, payload, "a call")))

    def runtime(self) -> Runtime:
        """That of an invocation that begins now."""
        deadline = self.time + self.lifetime
        return Runtime(
            store=self.store,
            invoker=self,
            clock=self,
            new_token=self._token,
            remaining=lambda: deadline - self.time,
            load_job=lambda _: self._job,
            disk=LocalDisk(self._scratch),
            host=self.host,
        )

    def _token(self) -> str:
        self._tokens += 1
        return f"t{self._tokens}"

    # -- what a test does -----------------------------------------------------------------------------

    def deliver(self, phase: Phase, call: TaskCall) -> None:
        """One invocation."""
        HANDLERS[phase](self.runtime(), to_payload(call))

    def next_call(self) -> TaskCall:
        """Take the only call that was made and not delivered yet."""
        ((_, call),) = self.invoked
        self.invoked = []
        return call

    def finish(self, phase: Phase, call: TaskCall, until: Callable[[TaskCall], bool] | None = None) -> int:
        """One invocation after the other, until none goes on or one would for which `until`; how many there were."""
        count = 0
        while True:
            self.deliver(phase, call)
            count += 1
            if not self.invoked:
                return count
            call = self.next_call()
            if until and until(call):
                self.invoked = [("kept", call)]
                return count

    def map_all(self) -> TaskCall:
        """Do the map phase and plan the reduce phase; the call of its root."""
        self.finish("map", self.root)
        plan = read_head(self.store, self.keys)
        reduce_plan = plan_reduce(self.store, self.keys, plan)
        self.store.put(self.keys.reduce_plan, encode(reduce_plan))
        return call_for(self.keys, 0, len(reduce_plan.tasks))

    # -- what there is --------------------------------------------------------------------------------

    def names(self, ending: str = "") -> list[str]:
        """Objects of the run in the work place, without its prefix."""
        root = self.keys.root
        found = [info.key.removeprefix(root.key) for info in self.store.list(root)]
        return [name for name in found if name.endswith(ending)]

    def results(self) -> dict[str, bytes]:
        """The parts."""
        found = [info.key for info in self.store.list(OUTPUT) if "part-" in info.key]
        return {key: self.store.get(Loc(OUTPUT.bucket, key)) for key in found}

    def map_marker(self, task: int = 0) -> MapMarker:
        loc = self.keys.done("map", task)
        return decode(MapMarker, self.store.get(loc), loc.url)

    def map_offsets(self, task: int = 0) -> tuple[int, ...]:
        """Where the partitions begin in the last run file of a task."""
        plan = read_head(self.store, self.keys)
        return unpack(self.map_marker(task).offsets, plan.partitions)

    def reduce_marker(self, task: int = 0) -> ReduceMarker:
        loc = self.keys.done("reduce", task)
        return decode(ReduceMarker, self.store.get(loc), loc.url)

    def failure(self, phase: Phase, attempt: int = 0) -> Failure:
        loc = self.keys.failed(phase, 0, attempt)
        return decode(Failure, self.store.get(loc), loc.url)

    def pairs(self, key: str) -> list[tuple[Any, Any]]:
        """All pairs of a run file, partition after partition."""
        loc = Loc(self.keys.work.bucket, key)
        blocks = read_blocks([self.store.get(loc)], loc.url)
        return [pair for keys, values in blocks for pair in zip(keys, values, strict=True)]
