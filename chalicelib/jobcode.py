"""What is known of a job's code before its first task, be it a class or SQL."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import __version__
from .job import BoundJob, bind
from .loading import code_digest
from .model import SqlTables
from .ports import ObjectInfo, Runtime
from .spec import JobSpec
from .splits import default_partitions


class Code(NamedTuple):
    #: Its objects are not to be cut.
    whole: bool
    #: Changes when the code does.
    digest: str
    #: How many partitions it wants, if it has a say in that.
    partitions: int | None = None
    job: BoundJob | None = None
    sql: SqlTables | None = None


def describe(runtime: Runtime, name: str, spec: JobSpec, inputs: Sequence[tuple[str, ObjectInfo]]) -> Code:
    """The code of a run over `inputs`. Raises UserError for a job that cannot run."""
    if spec.sql.map:
        from .sql import planning  # only such jobs have DuckDB

        return Code(
            whole=spec.input.format == "parquet" or spec.input.multiline,
            digest=planning.digest(spec, __version__),
            partitions=_sql_partitions(spec, sum(info.size for _, info in inputs)),
            sql=planning.prepare(runtime, name, spec, inputs),
        )
    cls = runtime.load_job(spec.job)
    job = bind(cls, name, spec.params)
    whole = job.mapper == "mapper_raw" or spec.input.format == "whole_file" or spec.input.multiline
    return Code(whole, code_digest(cls, __version__), job=job)


def _sql_partitions(spec: JobSpec, input_bytes: int) -> int:
    """DuckDB reduces large partitions as well as small ones, and each costs it some milliseconds."""
    if spec.sql.order_by or not spec.sql.keys:
        return 1
    return default_partitions(input_bytes, 4 * spec.reduce_size, least=4)


def check(load_job: Callable[[str], type[Any]], name: str, spec: JobSpec) -> None:
    """Raise ConfigError for a class that is no job, or queries that DuckDB does not take."""
    if spec.sql.map:
        from .sql import planning  # only such jobs have DuckDB

        planning.check(name, spec, Path(tempfile.gettempdir()))
    else:
        bind(load_job(spec.job), name, spec.params)
