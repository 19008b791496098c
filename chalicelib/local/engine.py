"""A run on this machine: plan it, hand its invocations to workers, deliver its events, wait for its end."""

from __future__ import annotations

import gc
import time
from collections import defaultdict, deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.errors import NotFound, RunFailed, StoreError
from ..core.keys import (
    DONE,
    FAILURE,
    PHASES,
    RUN_DONE,
    OutputKeys,
    Phase,
    RunKeys,
    TotalsKeys,
    parse_done,
    parse_run_key,
)
from ..core.messages import decode, encode
from ..core.outcome import Manifest, Verdict
from ..core.plan_file import read_head
from ..core.ports import FunctionName, Loc, Runtime
from ..core.tasks import CRASHED, Failure
from ..functions import limits
from ..functions.supervision.may_exchange import may_exchange
from ..functions.supervision.next_phase import planned_tasks
from ..run import lease, plan_step, totals_pointer
from ..run.calls import phase_of
from ..run.events import created, event_for
from ..run.verdict import conclude, read_verdict
from ..stores.disk import LocalDisk
from ..stores.folder import TEMPORARY
from .local_run import LocalFiles, LocalRun
from .remote.mixed_store import store_over
from .resume import scratch_of, take_up
from .workers import Call, Setup, Worker, first_of, new_token, timeouts_of

#: Deliveries of an invocation that dies or raises: the first and two more, as on AWS.
_DELIVERIES = 3
#: Times in a row a run that stopped moving is picked up again before it is given up, and the seconds before
#: the first of them; before each further one twice as many.
_REVIVALS, _PAUSE = 5, 0.1
#: Seconds of a wait for reports, after which it is begun again.
_LONGEST_WAIT = 3600.0
#: Errors that are kept, to be told if the run is given up.
_TOLD = 3


def run_local(run: LocalRun) -> Manifest:
    """Run to the end and return the manifest. Raises RunFailed, with the reason, if the run failed, and LimitMet before
    anything is started if it has more input or tasks than `limits` allow.
    """
    scratch = scratch_of(run.work, run.run)
    scratch.mkdir(parents=True, exist_ok=True)
    return _Engine(run, scratch).run()


class _Engine:
    """The parent: a queue of invocations, workers that take them, and one more that supervises."""

    def __init__(self, run: LocalRun, scratch: Path) -> None:
        self._run = run
        self._queue: deque[Call] = deque()
        #: What the supervisor is to be told, by the step it is about: the last of several events tells all.
        self._events: dict[int, Call] = {}
        #: The last step heard of.
        self._step = 0
        self._workers: list[Worker] = []
        self._supervisor: Worker | None = None
        roots = [Path("/"), run.work, run.output]
        self._results = run.staging or run.output
        places = {run.output: self._results}
        self._setup = Setup(
            roots=roots,
            load_job=run.load_job,
            scratch=scratch,
            watched=self._watched,
            world=run.world,
            timeouts=timeouts_of(run.spec.timeout),
            standing_in=places,
            remote=run.remote,
            private=run.private,
            files=LocalFiles(run.workers),
            log=lambda worker: run.work / run.keys.log(worker).key,
        )
        self._runtime = Runtime(
            store=store_over(roots, self._on_created, places, run.remote),
            invoker=self,
            clock=run.clock,
            new_token=new_token,
            remaining=lambda: float("inf"),
            load_job=run.load_job,
            disk=LocalDisk(scratch),
        )
        self._tasks: dict[Phase, int] = {}
        self._done: defaultdict[Phase, set[int]] = defaultdict(set)
        #: What went wrong last.
        self._errors: deque[str] = deque(maxlen=_TOLD)
        self._concluded = False
        #: Times in a row that the run stopped moving.
        self._revivals = 0

    def run(self) -> Manifest:
        run = self._run
        output = Loc(str(run.output), "")
        limits.check_bytes(run.spec, run.inputs)
        size = sum(info.size for _, info in run.inputs)
        new_run = plan_step.NewRun(
            spec=run.spec,
            source=run.source,
            inputs=run.inputs,
            output=output,
            reducers=run.workers * (1 if run.spec.is_sql else 2),  # DuckDB takes 20 ms to start
            tags=run.tags,
            approve=lambda tasks, _: limits.check_tasks(run.spec, size, tasks),
            may_exchange=may_exchange(self._runtime, run.spec),
        )
        plan_step.begin(self._runtime, run.keys, new_run)
        plan = read_head(self._runtime.store, run.keys)
        self._tasks["map"] = plan.tasks
        run.progress(0, "map", 0, self._tasks["map"])
        if run.resumed:
            self._go_on()
        try:
            # A job in SQL may have one map task, of all processors, and several reduce tasks behind it.
            self._fork(run.workers if plan.tasks > 1 or (plan.sql and plan.partitions > 1) else 1)
            self._until_ended()
        finally:
            for worker in self._all():
                worker.kill()
            for worker in self._all():
                worker.stop()
            if run.spec.accumulate:  # the supervisor was perhaps stopped before it could end the run's turn
                totals_pointer.end_turn(self._runtime.store, TotalsKeys(run.keys.work, run.name), run.run)
            gc.unfreeze()  # frozen for the workers' sake; extension modules want their objects back at exit
            # Who was stopped while writing left a file that has no name yet.
            folder = self._results
            for unfinished in (*folder.glob(f"{TEMPORARY}*"), *folder.glob(f"*=*/{TEMPORARY}*")):
                unfinished.unlink(missing_ok=True)
        manifest_loc = OutputKeys(output).manifest
        manifest = decode(Manifest, self._runtime.store.get(manifest_loc), manifest_loc.url)
        if manifest.outcome != "success":
            raise RunFailed(self._runtime.store.get(OutputKeys(output).failure).decode().rstrip())
        return manifest

    def _go_on(self) -> None:
        """Take up a run whose processes were killed."""
        keys, store = self._run.keys, self._runtime.store
        totals_pointer.end_turn(store, TotalsKeys(keys.work, keys.job), keys.run)
        standing = take_up(store, self, keys)
        self._enter(standing.step)
        self._tasks[standing.phase] = standing.tasks
        self._done[standing.phase].update(standing.done)
        self._show(standing.phase)
        self._tell(Call("supervisor", event_for(self._keys.plan_done)))

    # -- what the coordinator and the workers ask for -----------------------------------------------

    def invoke(self, function: FunctionName, payload: dict[str, Any]) -> None:
        call = Call(function, payload)
        if function == "supervisor":
            self._tell(call)
        else:
            self._queue.append(call)

    def _tell(self, call: Call) -> None:
        """Have the supervisor called, once for all that happens in a step meanwhile."""
        self._events[_step_of(call)] = call

    def _watched(self, loc: Loc) -> bool:
        return loc.key.endswith(DONE) and loc.bucket == str(self._run.work)

    def _on_created(self, loc: Loc) -> None:
        if not self._watched(loc):
            return
        self._revivals = 0
        self._tell(Call("supervisor", event_for(loc)))
        found = parse_run_key(*loc)
        if found is None:
            return
        self._concluded = self._concluded or found[1] == RUN_DONE
        self._enter(found[0].step)
        task = parse_done(loc.key)
        if task is None or found[0].step != self._step:
            return
        phase = next(phase for phase in PHASES if found[1].startswith(phase))
        self._done[phase].add(task)
        self._show(phase)

    def _enter(self, step: int) -> None:
        """Begin to count the tasks of a step that is heard of for the first time."""
        if step <= self._step:
            return
        self._step, self._done, self._tasks = step, defaultdict(set), {}
        with suppress(NotFound):  # what could not be planned has a verdict all the same
            self._tasks["map"] = read_head(self._runtime.store, self._keys).tasks

    @property
    def _keys(self) -> RunKeys:
        """Those of the step that is under way."""
        return self._run.keys.at(self._step)

    def _show(self, phase: Phase) -> None:
        if phase not in self._tasks:
            with suppress(NotFound):
                self._tasks[phase] = planned_tasks(self._runtime.store, self._keys, phase)
        self._run.progress(self._step, phase, len(self._done[phase]), self._tasks.get(phase, 0))

    # -- the loop ------------------------------------------------------------------------------------

    def _fork(self, count: int) -> None:
        self._supervisor = Worker(self._setup)
        self._workers = [Worker(self._setup, number) for number in range(1, count + 1)]

    def _all(self) -> list[Worker]:
        return [*self._workers, *([self._supervisor] if self._supervisor else [])]

    def _until_ended(self) -> None:
        while True:
            self._dispatch()
            # What is still at work when the run has ended lost to another attempt: nobody waits for it.
            if self._concluded and self._ended():
                return
            if any(worker.call for worker in self._all()):
                self._receive()
                continue
            if self._ended():
                return
            if self._revivals == _REVIVALS:
                self._give_up()
                return
            self._run.clock.pause(_PAUSE * 2**self._revivals)
            self._revivals += 1
            self._tell(Call("supervisor", event_for(self._keys.plan_done)))

    def _give_up(self) -> None:
        """End a run whose supervisor comes to nothing, as far as that can be written. Raises RunFailed if not."""
        told = "\n".join(dict.fromkeys(self._errors)) or "no function is at work and none was asked for"
        reason = f"the run stopped moving: {told}"
        failed = f"job {self._run.name}, run {self._run.run} failed: {reason}"
        try:
            plan = read_head(self._runtime.store, self._keys)
            conclude(self._runtime.store, self._keys, plan, Verdict(outcome="failed", reason=reason))
        except StoreError as error:
            with suppress(StoreError):
                verdict = read_verdict(self._runtime.store, self._keys)
                if verdict and verdict.reason not in failed:
                    failed += f"\nit was to end so: {verdict.reason}"
            why = "and so" if str(error) in reason else f"{error}:"
            raise RunFailed(f"{failed}\n{why} {FAILURE} cannot be written") from error
        if not self._ended():
            raise RunFailed(failed)

    def _ended(self) -> bool:
        output = OutputKeys(Loc(str(self._run.output), ""))
        for loc in (output.success, output.failure):
            with suppress(NotFound):
                self._runtime.store.head(loc)
                return True
        return False

    def _dispatch(self) -> None:
        for worker in self._workers:
            if self._queue and worker.call is None:
                worker.give(self._queue.popleft())
        assert self._supervisor is not None
        if not self._events:
            return
        busy = self._supervisor.call
        if busy is None:
            self._supervisor.give(self._events.pop(min(self._events)))  # it will look at everything there is
        elif self._queue or any(worker.call for worker in self._workers):
            pass  # while others work, the supervisor's own pace will do
        elif self._events.pop(_step_of(busy), None):
            self._supervisor.wake()

    def _receive(self) -> None:
        left = min(worker.until for worker in self._all() if worker.call) - time.monotonic()
        for worker in first_of(self._all(), min(max(left, 0.0), _LONGEST_WAIT)):
            try:
                report = worker.read()
            except (EOFError, OSError):
                call, overdue = worker.call, worker.overdue
                code = worker.restart()
                if call and overdue:
                    self._overran(call)
                elif call:
                    self._again(call, f"its process was killed (exit code {code}): out of memory?")
                continue
            if report.kind == "invoke":
                self.invoke(report.function, report.payload)
            elif report.kind == "created":
                self._on_created(Loc(report.bucket, report.key))
            else:
                # Somebody else may have ended the run, of which nobody tells but its supervisor, by leaving.
                self._concluded = self._concluded or worker is self._supervisor
                call, worker.call = worker.call, None
                if report.error and call:
                    self._again(call, report.error)
        for worker in self._all():
            worker.end_overdue()

    def _overran(self, call: Call) -> None:
        """Write an attempt off that went on beyond its time: the same call once more would do so, too."""
        error = (
            f"it did not end within timeout.{call.function} ({self._setup.timeouts[call.function]:g} s), not even"
            " when it was interrupted: does the job's code wait for something?"
        )
        self._errors.append(f"{call.function}: {error}")
        self._write_off(call, error)

    def _again(self, call: Call, error: str) -> None:
        """Deliver an invocation that came to nothing once more, or write its attempt off."""
        self._errors.append(f"{call.function}: {error}")
        last = call.tried + 1 == _DELIVERIES
        once_more = Call(call.function, call.payload, call.tried + 1)
        if call.function == "supervisor":
            # There is no other supervisor, so whoever holds the lease is the one that has just gone.
            lease.free(self._runtime.store, self._run.keys.at(_step_of(call)).lease)
            if not last:
                self._events.setdefault(_step_of(call), once_more)  # an event that came since tells as much
        elif not last:
            self._queue.append(once_more)
        else:
            self._write_off(call, error)

    def _write_off(self, call: Call, error: str) -> None:
        phase = phase_of(call.function, call.payload)
        task, attempt = call.payload["lo"], call.payload["attempt"]
        message, _, detail = error.partition("\n")
        failure = Failure(
            phase=phase,
            task=task,
            attempt=attempt,
            error=CRASHED,
            message=message,
            detail=detail,
            at=time.time(),
        )
        keys = self._run.keys.at(call.payload["step"])
        try:
            self._runtime.store.put(keys.failed(phase, task, attempt), encode(failure))
        except StoreError as problem:
            raise RunFailed(
                f"job {keys.job}, run {keys.run} failed: {phase} task {task}: {message}\n"
                f"and this cannot be written down: {problem}"
            ) from problem
        verdict = read_verdict(self._runtime.store, keys)
        if verdict is None:
            self._tell(Call("supervisor", event_for(keys.plan_done)))


def _step_of(call: Call) -> int:
    """The step that a call of the supervisor is about."""
    for item in created(call.payload):
        found = parse_run_key(*item.loc)
        if found:
            return found[0].step
    return 0
