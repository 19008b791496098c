"""What is known of a job's code before its first task, be it a class or SQL."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import ConfigError
from ..core.plan import Plan, SqlTables
from ..core.ports import ObjectInfo, Runtime
from ..core.spec import JobSpec, OutputSpec
from ..core.version import VERSION
from ..job import side_files
from ..job.binding import IDENTITY, BoundJob, bind
from ..job.load_class import code_digest
from ..job.order_by import Ordered
from ..job.steps import all_steps, step_class
from ..mapreduce.shuffle.partitions import default_partitions


class Code(NamedTuple):
    """What a plan has to know of a step's code."""

    #: Its objects are not to be cut.
    whole: bool
    #: Changes when the code does.
    digest: str
    #: How many steps the job has.
    steps: int = 1
    #: How many of them come before the merge with the totals; 0 without `accumulate`.
    own_steps: int = 0
    #: Each map task writes a part; there is no shuffle.
    map_only: bool = False
    #: All pairs have to meet in one place.
    one_partition: bool = False
    #: How many partitions it wants, if it has a say in that.
    partitions: int | None = None
    job: BoundJob | None = None
    sql: SqlTables | None = None


def describe(runtime: Runtime, name: str, spec: JobSpec, inputs: Sequence[tuple[str, ObjectInfo]]) -> Code:
    """The code of a run over `inputs`. Raises UserError for a job that cannot run."""
    if spec.sql.map:
        from ..mapreduce.sql import prepare  # only such jobs have DuckDB

        return Code(
            whole=spec.input.format == "parquet" or spec.input.multiline,
            digest=prepare.digest(spec, VERSION),
            partitions=_sql_partitions(spec, sum(info.size for _, info in inputs)),
            sql=prepare.prepare(runtime, name, spec, inputs),
        )
    side_files.check(runtime.load_job(spec.job), spec)
    classes, own_steps = all_steps(runtime.load_job, spec)
    typed = all(given.format == "pairs" for given in spec.inputs)
    job = _bound(classes[0], name, spec, typed=typed)
    whole = job.mapper == "mapper_raw"
    digest = code_digest(runtime.load_job(spec.job), VERSION)
    return Code(
        whole, digest, steps=len(classes), own_steps=own_steps, map_only=not classes[0].shuffle, job=job
    )


def of_step(load_job: Callable[[str], type[Any]], plan: Plan) -> Code:
    """The code of a later step. Raises UserError for one that cannot run."""
    cls = step_class(load_job, plan.spec, plan.nth)
    job = _bound(cls, plan.job, plan.spec, typed=True)
    limited = issubclass(cls, Ordered) and cls.limit is not None
    return Code(False, plan.code, plan.steps, plan.own_steps, not cls.shuffle, limited, job=job)


def _bound(cls: type[Any], name: str, spec: JobSpec, *, typed: bool) -> BoundJob:
    """An instance of one step's class. `typed`: its input are pairs."""
    job = bind(cls, name, spec.params, identity=typed)
    if typed and job.mapper not in ("mapper", IDENTITY):
        raise ConfigError(
            f"{name}: {cls.__name__}.{job.mapper}: what comes from another step or job are pairs: write"
            " mapper(self, key, value), or leave it out to pass them on as they are"
        )
    if not cls.shuffle:
        for part in ("combiner", "reducer", "sort_values"):
            if getattr(cls, part):
                raise ConfigError(
                    f"{name}: {cls.__name__}: shuffle = False, so nothing comes to {part}: leave one of them out"
                )
    return job


def _sql_partitions(spec: JobSpec, input_bytes: int) -> int:
    """DuckDB reduces large partitions as well as small ones, and each costs it some milliseconds."""
    if spec.sql.order_by or not spec.sql.keys:
        return 1
    return default_partitions(input_bytes, 4 * spec.reduce_size, least=4)


def check(load_job: Callable[[str], type[Any]], name: str, spec: JobSpec) -> None:
    """Raise ConfigError for a class that is no job, or queries that DuckDB does not take."""
    if spec.sql.map:
        from ..mapreduce.sql import prepare  # only such jobs have DuckDB

        prepare.check(name, spec, Path(tempfile.gettempdir()))
        return
    side_files.check(load_job(spec.job), spec)
    if spec.uses_duckdb:
        from ..mapreduce.input import duckdb  # only such jobs have DuckDB

        duckdb.version()
    typed = all(given.format == "pairs" for given in spec.inputs)
    classes, own_steps = all_steps(load_job, spec)
    jobs = [_bound(cls, name, spec, typed=typed or number > 0) for number, cls in enumerate(classes)]
    if jobs[0].mapper == "mapper_chunk" and any(given.format == "parquet" for given in spec.inputs):
        raise ConfigError(f"{name}: input.format: parquet has rows, no text: write mapper(self, _, row)")
    _check_output(load_job(spec.job), name, spec.output, map_only=not (own_steps or classes[-1].shuffle))


def _check_output(cls: type[Any], name: str, output: OutputSpec, *, map_only: bool) -> None:
    if output.one_file and map_only:
        raise ConfigError(
            f"{name}: output.one_file: shuffle = False, so each map task writes a part: leave one out"
        )
    own = getattr(cls, "writer", None)
    if own is None:
        return
    if not inspect.isfunction(own):
        raise ConfigError(f"{name}: writer = {own!r}: expected a method writer(self, key, value)")
    if output.format in ("parquet", "pairs") or output.header:
        what = "header" if output.header else f"format: {output.format}"
        raise ConfigError(
            f"{name}: output.{what}: {cls.__name__}.writer writes rows of its own: leave one of them out"
        )


class Shape(NamedTuple):
    """What a deployment has to know of a job's code."""

    #: There is more than one step.
    several_steps: bool = False
    #: Map tasks of some step write parts.
    map_only: bool = False


def shape(load_job: Callable[[str], type[Any]], spec: JobSpec) -> Shape:
    """Raises ConfigError for a class that is no job."""
    if spec.sql.map:
        return Shape()
    classes, _ = all_steps(load_job, spec)
    return Shape(len(classes) > 1, not all(cls.shuffle for cls in classes))
