"""What a job's code says before its first task runs, be it a class or SQL: for plans, checks and deployments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

from msgspec import Struct

from ..core.errors import ConfigError
from ..core.plan import Plan, SqlTables
from ..core.ports import ObjectInfo, Runtime
from ..core.spec import InputSpec, JobSpec, OutputSpec
from ..job import code_digest, side_files
from ..job.binding import IDENTITY, BoundJob, bind
from ..job.load_class import can_be_cut, container_of, reader_of
from ..job.order_by import Ordered
from ..job.steps import LastRound, all_steps, step_class
from ..mapreduce.exchange.partitions import default_partitions
from ..mapreduce.input import splits
from ..mapreduce.input.compression import compression


class StepCode(Struct, frozen=True, kw_only=True):
    """What a plan has to know of the code of one step."""

    #: None of a job in SQL.
    job: BoundJob | None = None
    #: Each map task writes a part; there is no shuffle.
    map_only: bool = False
    #: All pairs have to meet in one place.
    one_partition: bool = False


#: Which of a job's inputs an object in a bucket is of.
InputOf = Callable[[str, ObjectInfo], InputSpec]


class JobCode(Struct, frozen=True, kw_only=True):
    """What the plan of a run has to know of the job's code."""

    #: Changes when the code does.
    digest: str
    #: The input's objects must not be cut into splits.
    whole: bool
    #: Tags of inputs whose reader takes none but whole objects.
    uncut: frozenset[str] = frozenset()
    first: StepCode
    #: How many steps the job has.
    steps: int = 1
    #: As in `Plan`.
    merge_step: int = 0
    loops: bool = False
    #: How many partitions the code wants, if it has a say in that.
    partitions: int | None = None
    sql: SqlTables | None = None


def of_job(
    runtime: Runtime, name: str, spec: JobSpec, inputs: Sequence[tuple[str, ObjectInfo]], input_of: InputOf
) -> JobCode:
    """The code of a run over `inputs`; `input_of` says which of the job's inputs an object is of.

    Raises UserError for a job that cannot run.
    """
    return (
        _of_queries(runtime, name, spec, inputs, input_of) if spec.is_sql else _of_class(runtime, name, spec)
    )


def _of_queries(
    runtime: Runtime, name: str, spec: JobSpec, inputs: Sequence[tuple[str, ObjectInfo]], input_of: InputOf
) -> JobCode:
    from ..mapreduce.sql import prepare  # only such jobs have DuckDB

    return JobCode(
        digest=code_digest.of_queries(spec),
        whole=False,
        first=StepCode(),
        partitions=_sql_partitions(spec, sum(info.size for _, info in inputs)),
        sql=prepare.prepare(runtime, name, spec, inputs, input_of),
    )


def _of_class(runtime: Runtime, name: str, spec: JobSpec) -> JobCode:
    cls = runtime.load_job(spec.job)
    side_files.check(cls, spec)
    classes, merge_step, loops = all_steps(runtime.load_job, spec)
    job = _bound(classes[0], name, spec, typed=_reads_pairs(spec))
    return JobCode(
        digest=code_digest.digest(runtime.load_job, spec),
        whole=job.mapper == "mapper_raw",
        uncut=uncut(runtime.load_job, spec),
        first=StepCode(job=job, map_only=not classes[0].shuffle),
        steps=len(classes),
        merge_step=merge_step,
        loops=bool(loops),
    )


def uncut(load_job: Callable[[str], type[Any]], spec: JobSpec) -> frozenset[str]:
    """The tags of inputs with a reader of the job's own that cannot begin within an object."""
    readers = {given.tag: reader_of(load_job, spec, given) for given in spec.inputs if given.reader}
    return frozenset(tag for tag, reader in readers.items() if not can_be_cut(reader))


def of_step(load_job: Callable[[str], type[Any]], plan: Plan) -> StepCode:
    """The code of a step after the first. Raises UserError for one that cannot run."""
    cls = step_class(load_job, plan.spec, plan.job_step)
    return StepCode(
        job=_bound(cls, plan.job, plan.spec, typed=True),
        map_only=not cls.shuffle,
        one_partition=issubclass(cls, Ordered) and cls.limit is not None,
    )


def _reads_pairs(spec: JobSpec) -> bool:
    """The first step's input are typed pairs, which another job wrote."""
    return all(given.format == "pairs" for given in spec.inputs)


def _bound(cls: type[Any], name: str, spec: JobSpec, *, typed: bool) -> BoundJob:
    """An instance of one step's class. `typed`: its input are typed pairs."""
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
    if spec.is_sql:
        import tempfile

        from ..mapreduce.sql import prepare  # only such jobs have DuckDB

        prepare.check(name, spec, Path(tempfile.gettempdir()))
        return
    side_files.check(load_job(spec.job), spec)
    if spec.uses_duckdb:
        from ..mapreduce.input import duckdb  # only such jobs have DuckDB

        duckdb.version()
    typed = _reads_pairs(spec)
    classes, merge_step, _ = all_steps(load_job, spec)
    jobs = [_bound(cls, name, spec, typed=typed or number > 0) for number, cls in enumerate(classes)]
    uncut(load_job, spec)  # loads the readers
    if spec.output.container:
        container_of(load_job, spec)
    if jobs[0].mapper != "mapper" and (own := [given.reader for given in spec.inputs if given.reader]):
        raise ConfigError(
            f"{name}: input.reader: {own[0]} makes records, so write mapper(self, _, record), not {jobs[0].mapper}"
        )
    if jobs[0].mapper == "mapper_chunk" and any(given.format == "parquet" for given in spec.inputs):
        raise ConfigError(f"{name}: input.format: parquet has rows, no text: write mapper(self, _, row)")
    if spec.limits.failed_tasks and not all(cls.shuffle or issubclass(cls, LastRound) for cls in classes):
        raise ConfigError(
            f"{name}: limits.failed_tasks: shuffle = False, so map tasks write results themselves, and what one wrote"
            " before it failed would lie there: leave one of them out, or set bad records aside (bad_records)"
        )
    one_after_all = merge_step or issubclass(classes[-1], LastRound)  # `begin_over_pairs` sees to one file
    _check_output(load_job(spec.job), name, spec.output, map_only=not (one_after_all or classes[-1].shuffle))


def warnings(load_job: Callable[[str], type[Any]], spec: JobSpec) -> list[str]:
    """What in a job's code is most likely a mistake, a sentence each; for a job that `check` has passed."""
    if spec.is_sql:
        return []
    from ..job.likely_mistakes import likely_mistakes  # only for people, not for functions

    unseen = code_digest.unseen_imports(load_job(spec.job), spec)
    return [*likely_mistakes(all_steps(load_job, spec).classes), *unseen]


def _check_output(cls: type[Any], name: str, output: OutputSpec, *, map_only: bool) -> None:
    if output.one_file and map_only:
        raise ConfigError(
            f"{name}: output.one_file: shuffle = False, so each map task writes a part: leave one out"
        )
    own = getattr(cls, "writer", None)
    if own is None:
        return
    if output.container:
        raise ConfigError(
            f"{name}: output.container: {cls.__name__}.writer writes rows of its own: leave one of them out"
        )
    if not isinstance(own, FunctionType):
        raise ConfigError(f"{name}: writer = {own!r}: expected a method writer(self, key, value)")
    if output.format in ("parquet", "pairs") or output.header:
        what = "header" if output.header else f"format: {output.format}"
        raise ConfigError(
            f"{name}: output.{what}: {cls.__name__}.writer writes rows of its own: leave one of them out"
        )


def may_be_small(spec: JobSpec, steps: int) -> bool:
    """Whether a run of one map task may be brought to its end by its mapper: that has to have a reducer's memory."""
    return steps == 1 and spec.memory.mapper >= spec.memory.reducer and spec.shuffle.levels != "2"


def may_be_few(spec: JobSpec, steps: int, input_bytes: int) -> bool:
    """Whether so much input, if it shrinks in the map task, is worth being one task, whose mapper ends the run."""
    asked = spec.split_size or spec.split_lines or spec.map_tasks
    return not asked and input_bytes <= splits.FEW and may_be_small(spec, steps)


def _shrinks(code: JobCode, spec: JobSpec) -> bool:
    """Whether what a map task hands on is less than what it reads: rows of its own, states, groups."""
    if spec.is_sql:
        return all("group by" in " ".join(spec.map_query(one).lower().split()) for one in spec.inputs)
    return code.first.map_only or (code.first.job is not None and code.first.job.combiner is not None)


def is_few(code: JobCode, spec: JobSpec, inputs: Sequence[tuple[str, ObjectInfo]]) -> bool:
    """Whether a run over `inputs` had better be one map task. What is compressed is more than it seems."""
    total = sum(info.size for _, info in inputs)
    return (
        may_be_few(spec, code.steps, total)
        and _shrinks(code, spec)
        and not any(given.format == "parquet" for given in spec.inputs)
        and not any(compression(info.key) for _, info in inputs)
    )


class Shape(Struct, frozen=True, kw_only=True):
    """What a deployment has to know of a job's code."""

    #: The job has more than one step.
    several_steps: bool = False
    #: Map tasks of some step write parts.
    map_only: bool = False
    #: Mappers may bring small runs to their end.
    small: bool = False


def shape(load_job: Callable[[str], type[Any]], spec: JobSpec) -> Shape:
    """The shape of a job. Raises ConfigError for a class that is no job."""
    if spec.is_sql:
        return Shape(small=may_be_small(spec, 1))
    classes = all_steps(load_job, spec).classes
    return Shape(
        several_steps=len(classes) > 1,
        map_only=not all(cls.shuffle for cls in classes),
        small=may_be_small(spec, len(classes)),
    )
