"""Which of the measured kinds of work a job's code is taken for, by what can be seen of it without running it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...core.spec import JobSpec
from ...job.binding import bind
from ...job.steps import all_steps


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """A row of `figures.PACES`, and how many steps the job has, of which an estimate is about the first."""

    kind: str
    way: str
    map_only: bool = False
    steps: int = 1
    #: With all rounds of its loops.
    most_steps: int = 1


def likeness(load_job: Callable[[str], type[Any]], name: str, spec: JobSpec) -> Likeness:
    """What a job is like. Raises ConfigError for a class that is no job.

    A job that folds values in its map tasks is taken for one of many groups; one that shuffles all of its pairs for a
    sort, or with several inputs for a join; one that shuffles nothing for a filter. A map query that groups has few
    groups if its result comes together in one partition, for its author would not do so with many.
    """
    if spec.is_sql:
        return Likeness(kind=_kind_of_query(spec), way="sql")
    steps = all_steps(load_job, spec)
    classes = steps.classes
    job = bind(classes[0], name, spec.params, identity=True)
    way = "chunk" if job.mapper == "mapper_chunk" else "record"
    if not classes[0].shuffle:
        return Likeness(kind="filter", way=way, map_only=True, steps=len(classes), most_steps=steps.most)
    pairs = "join" if spec.more_inputs else "sort"
    kind = pairs if job.combiner is None else "many groups"
    return Likeness(kind=kind, way=way, steps=len(classes), most_steps=steps.most)


def _kind_of_query(spec: JobSpec) -> str:
    if spec.more_inputs:
        return "join"
    together = bool(spec.sql.order_by) or not spec.sql.keys
    queries = " ".join(spec.map_query(given) for given in spec.inputs)
    if "group by" not in " ".join(queries.lower().split()) and spec.sql.keys:
        return "sort"
    return "few groups" if together else "many groups"
