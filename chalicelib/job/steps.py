"""The steps of a job: one class each, the order of the result and its limit included.

    class TopWords(Job):
        steps = (Count, ByNumber)      # or a method, which may look at self.params

A class without `steps` is its own only step. `order_by` and `limit` add one more step behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

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


def expand(cls: type[Any], params: dict[str, Any]) -> list[type[Any]]:
    """The classes that are run one after the other; each one's mapper gets the pairs of the one before.

    Raises ConfigError for a class whose `steps`, `order_by` or `limit` cannot be used.
    """
    found = list(_flat(cls, params, 0))
    if len(found) > _MOST:
        raise ConfigError(f"{cls.__name__}.steps: {len(found)} steps; a job has at most {_MOST}")
    return found


class Steps(NamedTuple):
    """All steps of a job, those that `accumulate` adds included."""

    classes: list[type[Any]]
    #: Which of them merges with the totals; 0 without `accumulate`.
    merge_step: int = 0


def all_steps(load: Callable[[str], type[Any]], spec: JobSpec) -> Steps:
    """The steps of a job as it is configured. Raises ConfigError as `expand` does."""
    classes = expand(load(spec.job), spec.params)
    if spec.output.sorted:
        classes[-1] = _in_key_order(classes[-1])
    return Steps(*accumulated(classes)) if spec.accumulate else Steps(classes)


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


def _flat(cls: type[Any], params: dict[str, Any], depth: int) -> Iterator[type[Any]]:
    if not (isinstance(cls, type) and issubclass(cls, Job)):
        yield cls  # `bind` says what is wrong with it
        return
    name = cls.__name__
    if depth > _DEEPEST:
        raise ConfigError(f"{name}.steps: {depth} levels of steps within steps: is it a step of itself?")
    steps = _listed(cls, params)
    if steps is None:
        yield from ordered(cls, spread(cls))
        return
    written = [
        part for part in (*MAPPERS, "combiner", "reducer") if getattr(cls, part) is not getattr(Job, part)
    ]
    if written:
        raise ConfigError(f"{name}: a job with steps has no {written[0]} of its own: move it into a step")
    inner = [found for step in steps for found in _flat(step, params, depth + 1)]
    yield from ordered(cls, inner)


def _called(cls: type[Any], params: dict[str, Any]) -> Any:
    try:
        return cls(params).steps()
    except Exception as error:
        raise ConfigError(f"{cls.__name__}.steps: {explain(error)} (params: {params})") from error


def _listed(cls: type[Job], params: dict[str, Any]) -> list[type[Any]] | None:
    """What `steps` names; None for a class that has none."""
    found = cls.steps
    if callable(found) and not isinstance(found, type):
        found = _called(cls, params)
    elif not found:
        return None
    if not isinstance(found, tuple | list) or not found:
        raise ConfigError(f"{cls.__name__}.steps: expected a sequence of Job classes, got {found!r}")
    for number, step in enumerate(found, start=1):
        if not (isinstance(step, type) and issubclass(step, Job)):
            raise ConfigError(f"{cls.__name__}.steps: expected Job classes, got {step!r} for step {number}")
    return list(found)
