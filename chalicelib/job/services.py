"""What a task offers to the user's code beside its records: counters, chance, side files, a log.

All of it is the same on every attempt and every engine. One `Services` serves one attempt, or one
invocation of an attempt that goes on in another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field

from ..core.errors import ConfigError, DataTypeError, UserError
from ..core.messages import sum_counters
from ..core.plan import Plan, StepDone
from ..core.ports import Disk

if TYPE_CHECKING:
    from random import Random

#: The logger above those of all jobs' own code.
JOBS_LOG = "sluice"

#: From a class to the pairs that its step gave, by key.
FindResult = Callable[[type[Any]], Mapping[Any, Any]]
OpenResults = Callable[[], FindResult]


class Counters:
    """Named numbers. What was counted since the last `keep` can still be forgotten."""

    def __init__(self, before: Mapping[str, int] | None = None) -> None:
        self._kept: dict[str, int] = dict(before or {})
        self._new: dict[str, int] = {}

    def add(self, name: str, n: int) -> None:
        """Raises DataTypeError for a name that is no text or a number that is no int."""
        if not isinstance(name, str) or not isinstance(n, int):
            raise DataTypeError(
                f"self.count({name!r}, {n!r}): expected a name and an int, such as self.count('bad_dates')"
            )
        self._new[name] = self._new.get(name, 0) + n

    def keep(self) -> None:
        """What was counted stays: the record it belongs to is good."""
        if self._new:
            self._kept, self._new = sum_counters(self._kept, self._new), {}

    def forget(self) -> None:
        """Take back what a record counted that turned out bad."""
        self._new = {}

    def totals(self) -> dict[str, int]:
        """All that was counted, by name in the alphabet's order."""
        self.keep()
        return dict(sorted(self._kept.items()))


class RunSoFar(Struct, frozen=True, dict=True):
    """What a run knows before one of its steps begins: `self.run`.

    It is the same in every task and attempt of the step, on every engine, and however the input is cut.
    """

    #: Objects of the run's input, and their bytes as they are stored.
    inputs: int
    bytes: int
    #: The steps that are done, in order: `.records_in`, `.records_out`, `.counters` of each.
    steps: tuple[StepDone, ...] = ()
    #: Which round of a loop the step is in, from 1; 0 outside of loops.
    round: int = 0
    #: Made when somebody asks for a result: what finds that of a class's step.
    open_results: OpenResults | None = None

    def __repr__(self) -> str:  # the same wherever it is asked for
        told = f"inputs={self.inputs}, bytes={self.bytes}, steps={self.steps}, round={self.round}"
        return f"RunSoFar({told})"

    def result(self, step: type[Any]) -> Mapping[Any, Any]:
        """The pairs that an earlier step gave, by key: that of a class of `steps`, the last time it was done.

        It is read once a task, kept, and not to be changed; it may take a sixth of what the task holds of records
        (a tenth of the function's memory). Raises NoResult for a larger one, one with several values of a key, and a
        class whose step has not been done.
        """
        return self._results(step)

    @cached_property
    def _results(self) -> FindResult:
        if self.open_results is None:
            raise UserError("self.run.result: there is no run here whose steps could have a result")
        return self.open_results()

    @property
    def records(self) -> int:
        """Records that the run's first step read. Raises UserError in the first step, which is still reading."""
        if not self.steps:
            raise UserError(
                "self.run.records: nobody knows it before the first step is done: read it in a later step"
            )
        return self.steps[0].records_in

    @property
    def counters(self) -> dict[str, int]:
        """What the steps before this one have counted, added up by name."""
        return sum_counters(*(step.counters for step in self.steps))


def run_so_far(plan: Plan, open_results: OpenResults) -> RunSoFar | None:
    """What the step of `plan` may know of its run; None if its pairs are those of other runs, too."""
    if plan.role in ("merge", "render"):
        return None
    if plan.earlier is None:
        return RunSoFar(plan.inputs, plan.bytes, open_results=open_results)
    earlier = plan.earlier
    return RunSoFar(earlier.inputs, earlier.bytes, earlier.steps, plan.round, open_results)


class Input(Protocol):
    """What a mapper is reading: `self.input`."""

    @property
    def url(self) -> str:
        """The object's URL, or a file's path."""

    @property
    def key(self) -> str:
        """The object's key in its bucket."""

    @property
    def tag(self) -> str:
        """The `tag` of the entry of `input` it belongs to; empty if the entry has none."""

    @property
    def etag(self) -> str: ...

    @property
    def size(self) -> int:
        """Bytes of the object, as it is stored."""

    @property
    def start(self) -> int:
        """The byte at which this task's range of the object begins."""

    @property
    def stop(self) -> int:
        """The byte behind its end; a line that begins before it is read to its end."""

    @property
    def offset(self) -> int | None:
        """The byte at which the record (or chunk) begins, of a compressed object after unpacking.

        None where that is not known: outside of a mapper, in a row over several lines.
        """


class Services(Struct, dict=True):
    """The services of one task. Those of a job that no task runs work as well, for tests."""

    job: str = "job"
    run: str = ""
    phase: str = "map"
    step: int = 0
    task: int = 0
    attempt: int = 0
    #: Which invocation of its attempt this is, from 0.
    piece: int = 0
    #: From the name of a side file to where it lies.
    find_file: Callable[[str], Path] | None = None
    #: The task's local disk; of a job that no task runs, none.
    disk: Disk | None = None
    #: Bytes of records that the task may hold in memory.
    budget: int = 64 << 20
    counters: Counters = field(default_factory=Counters)
    #: What is being read; set by the map task.
    input: Input | None = None
    #: What the run knows before this step; None of a job that no run works for, and over totals of many runs.
    so_far: RunSoFar | None = None
    #: Names of the job's other outputs, where results are written; elsewhere none.
    outputs: tuple[str, ...] = ()

    @cached_property
    def random(self) -> Random:
        from random import Random  # few jobs ask for it

        seed = f"{self.job}/{self.step}/{self.phase}/{self.task}/{self.piece}"
        return Random(seed)

    @cached_property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        ids = {name: getattr(self, name) for name in ("job", "run", "step", "phase", "task", "attempt")}
        return _Log(logging.getLogger(f"{JOBS_LOG}.{self.job}"), ids)

    def file(self, name: str) -> Path:
        """Raises ConfigError for a file that the job file does not list."""
        if self.find_file is None:
            raise ConfigError(f"self.file({name!r}): this job has no side files: list it under `files:`")
        return self.find_file(name)

    def reading(self) -> Input:
        if self.input is None:
            raise UserError("self.input: nothing is being read here; it is for mappers only")
        return self.input

    def check_output(self, name: str) -> None:
        if name in self.outputs:
            return
        if self.outputs:
            raise ConfigError(
                f"self.output({name!r}): the job file lists {', '.join(self.outputs)}: add it under `outputs:`"
            )
        raise UserError(
            f"self.output({name!r}): only what writes results has other outputs: a reducer, or a mapper with shuffle ="
            " False, of the last step (which order_by and limit add), of a job whose file lists them under `outputs:`"
        )

    def run_so_far(self) -> RunSoFar:
        if self.so_far is None:
            raise UserError(
                "self.run: there is no single run here: it is for mappers and reducers, and not for what is done"
                " with totals of many runs (accumulate)"
            )
        return self.so_far


class _Log(logging.LoggerAdapter[logging.Logger]):
    """Adds the task's ids to what the caller's own `extra` holds."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": {**(kwargs.get("extra") or {}), **(self.extra or {})}}
