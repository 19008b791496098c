"""The steps of a job: one class each, the order of the result and its limit included.

    class TopWords(Job):
        steps = (Count, ByNumber)      # or a method, which may look at self.params

A class without `steps` is its own only step. `order_by` and `limit` add one more step behind it. A class with `rounds`
is a loop: its steps are done again until it has converged. What follows a round is known when the round is done, so
that a loop is never first, where input is read, nor last, where results are written: there a step is added behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from ..core.errors import ConfigError, explain
from ..core.spec import JobSpec
from .accumulate import accumulated
from .binding import MAPPERS
from .hot_keys import spread
from .job import Job
from .order_by import Ordered, ordered
from .partitioners import Hash, Partitioner, Range

#: Steps of steps of steps; more is a class that is a step of itself.
_DEEPEST = 8
#: Steps of a job; each costs some seconds at least.
_MOST = 1000


class Loop(NamedTuple):
    """Steps of a job that are done in rounds."""

    #: The class that has `rounds`.
    cls: type[Any]
    #: The first and the last of its steps, from 0.
    first: int
    last: int
    #: At most so many.
    rounds: int

    @property
    def may_end(self) -> bool:
        """Whether its class says when it has converged, so that there may be fewer rounds."""
        return self.cls.converged is not Job.converged


class Steps(NamedTuple):
    """All steps of a job, those that `accumulate` and loops add included."""

    classes: list[type[Any]]
    #: Which of them merges with the totals; 0 without `accumulate`.
    merge_step: int = 0
    loops: tuple[Loop, ...] = ()

    def loop_of(self, job_step: int) -> Loop | None:
        """The loop that one of the steps is in."""
        return next((loop for loop in self.loops if loop.first <= job_step <= loop.last), None)

    @property
    def most(self) -> int:
        """How many steps a run comes to, if each loop takes all of its rounds."""
        return len(self.classes) + sum((one.rounds - 1) * (one.last + 1 - one.first) for one in self.loops)


class LastRound(Job):
    """Behind a job that ends in a loop: writes what the last round gave as results."""

    shuffle = False


def expand(cls: type[Any], params: dict[str, Any]) -> list[type[Any]]:
    """The classes that are run one after the other; each one's mapper gets the pairs of the one before.

    Those of a loop are there once. Raises ConfigError for a class whose `steps`, `rounds`, `order_by` or `limit` cannot
    be used.
    """
    return _expanded(cls, params).classes


def _expanded(cls: type[Any], params: dict[str, Any]) -> Steps:
    found = _flat(cls, params, 0)
    if found.most > _MOST:
        many = f"{found.most} steps" + (", if every loop takes all its rounds" if found.loops else "")
        raise ConfigError(f"{cls.__name__}.steps: {many}; a job has at most {_MOST}")
    if found.loops and not found.loops[0].first:
        name = found.loops[0].cls.__name__
        raise ConfigError(
            f"{name}.rounds: the first step reads input, and rounds read pairs: put a step before it, as in"
            f" steps = (Read, {name})"
        )
    return found


def all_steps(load: Callable[[str], type[Any]], spec: JobSpec) -> Steps:
    """The steps of a job as it is configured. Raises ConfigError as `expand` does."""
    found = _expanded(load(spec.job), spec.params)
    classes, loops = found.classes, found.loops
    if loops and spec.accumulate:
        raise ConfigError(
            f"{loops[0].cls.__name__}.rounds: accumulate: totals are of many runs, and rounds go over one: leave one of"
            " them out"
        )
    if loops and loops[-1].last == len(classes) - 1:
        classes.append(_last_round(f"{loops[-1].cls.__name__}Result", classes[-1], spec))
    elif spec.output.sorted:
        classes[-1] = _in_key_order(classes[-1])
    return Steps(*accumulated(classes)) if spec.accumulate else Steps(classes, 0, loops)


def _last_round(name: str, last: type[Any], spec: JobSpec) -> type[LastRound]:
    """The step behind a job that ends in a loop, whose last class is `last`.

    It leaves rows as they come, unless they have to meet for one sorted file, or for keys in order over all parts.
    """
    members: dict[str, Any] = {}
    if not issubclass(last, Ordered):
        members["shuffle"] = spec.output.sorted or spec.output.one_file or spec.reducers == 1
        members["partitioner"] = Range() if spec.output.sorted else Hash()
    return type(name, (LastRound,), members)


def _in_key_order(last: type[Any]) -> type[Any]:
    """A job's last step with its keys in order over all partitions; one that sorts has an order already.

    Raises ConfigError for a step whose keys are not the engine's to place.
    """
    if not (isinstance(last, type) and issubclass(last, Job)) or issubclass(last, Ordered):
        return last
    name = last.__name__
    found: Any = last.partitioner
    if not last.shuffle:
        raise ConfigError(
            f"output.sorted: {name}: shuffle = False, so nothing is sorted: leave one of them out"
        )
    if isinstance(found, Range | type):  # `bind` says what is wrong with a class
        return last
    if type(found) is not Hash:
        own = f" = {type(found).__name__}()" if isinstance(found, Partitioner) else ""
        raise ConfigError(
            f"output.sorted: {name}.partitioner{own} has an order of its own: leave one of them out"
        )
    return type(name, (last,), {"partitioner": Range(), "__module__": last.__module__})


def step_class(load: Callable[[str], type[Any]], spec: JobSpec, job_step: int) -> type[Any]:
    """The class of one of the job's steps, from 0."""
    classes = all_steps(load, spec).classes
    if job_step >= len(classes):
        raise ConfigError(
            f"{spec.job}: has {len(classes)} steps, step {job_step + 1} was planned: its code has changed during"
            " the run"
        )
    return classes[job_step]


def writing_class(cls: type[Any], params: dict[str, Any]) -> type[Any]:
    """The class whose `writer` makes the rows: the job's own, or that of the last step that is the user's."""
    found = cls
    for step in reversed(expand(cls, params)):
        if getattr(found, "writer", None):
            break
        found = step.source if issubclass(step, Ordered) else step
        if found is step:
            break
    return found


def _flat(cls: type[Any], params: dict[str, Any], depth: int) -> Steps:
    if not (isinstance(cls, type) and issubclass(cls, Job)):
        return Steps([cls])  # `bind` says what is wrong with it
    name = cls.__name__
    if depth > _DEEPEST:
        raise ConfigError(f"{name}.steps: {depth} levels of steps within steps: is it a step of itself?")
    steps = _listed(cls, params)
    if steps is None:
        return _repeated(cls, params, Steps(ordered(cls, spread(cls))))
    written = [
        part for part in (*MAPPERS, "combiner", "reducer") if getattr(cls, part) is not getattr(Job, part)
    ]
    if written:
        raise ConfigError(f"{name}: a job with steps has no {written[0]} of its own: move it into a step")
    inner: list[type[Any]] = []
    loops: list[Loop] = []
    for found in (_flat(step, params, depth + 1) for step in steps):
        at = len(inner)
        loops += (one._replace(first=one.first + at, last=one.last + at) for one in found.loops)
        inner += found.classes
    return _repeated(cls, params, Steps(ordered(cls, inner), 0, tuple(loops)))


def _repeated(cls: type[Any], params: dict[str, Any], found: Steps) -> Steps:
    """The steps of a class as a loop, if it has `rounds`."""
    name = cls.__name__
    rounds = _call(cls, "rounds", params) if callable(cls.rounds) else cls.rounds
    if rounds is None:
        for part in ("converged", "rereads", "must_converge"):
            if getattr(cls, part) is not getattr(Job, part):
                raise ConfigError(f"{name}.{part} is of no use without rounds: write `rounds = 20`")
        return found
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1:
        raise ConfigError(f"{name}.rounds: expected an integer >= 1, got {rounds!r}")
    if found.loops:
        raise ConfigError(
            f"{name}.rounds: {found.loops[0].cls.__name__} has rounds, too: a loop has none within"
        )
    loop = Loop(cls, 0, len(found.classes) - 1, rounds)
    if cls.must_converge and not loop.may_end:
        raise ConfigError(f"{name}.must_converge is of no use without a method converged(self)")
    return found._replace(loops=(loop,))


def _call(cls: type[Any], method: Literal["steps", "rounds"], params: dict[str, Any]) -> Any:
    try:
        return getattr(cls(params), method)()
    except Exception as error:
        raise ConfigError(f"{cls.__name__}.{method}: {explain(error)} (params: {params})") from error


def _listed(cls: type[Job], params: dict[str, Any]) -> list[type[Any]] | None:
    """What `steps` names; None for a class that has none."""
    found = cls.steps
    if callable(found) and not isinstance(found, type):
        found = _call(cls, "steps", params)
    elif not found:
        return None
    if not isinstance(found, tuple | list) or not found:
        raise ConfigError(f"{cls.__name__}.steps: expected a sequence of Job classes, got {found!r}")
    for number, step in enumerate(found, start=1):
        if not (isinstance(step, type) and issubclass(step, Job)):
            raise ConfigError(f"{cls.__name__}.steps: expected Job classes, got {step!r} for step {number}")
    return list(found)
