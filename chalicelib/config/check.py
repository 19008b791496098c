"""What a well-formed configuration can still get wrong, setting by setting; `places.py` checks where it points.

Pure: names and specs in, sentences out.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from msgspec import ValidationError
from msgspec.structs import replace

from ..core.deployment_spec import parse_columns
from ..core.errors import ConfigError
from ..core.spec import MIB, TAG, InputSpec, JobSpec, OutputSpec, SqlSpec
from .deployment_settings import catalog_problems, lambda_problems, notify_problems
from .places import pattern_in, place_problems
from .problem import Problem, input_key

#: Seconds that every function needs to commit or hand over before AWS ends it.
MIN_TIMEOUT = 10
#: MB of memory that DuckDB, its buffers and Python need.
LEAST_SQL_MEMORY = 512
#: Encodings of several bytes a character in which no character's bytes are inside of another's.
_WHOLE_CHARACTERS = ("utf-8", "utf-8-sig")
#: What may be said of one of `outputs`.
_OF_OUTPUTS = ("format", "columns", "header", "compression")
#: The settings of an input that only formats have.
_OF_FORMATS = (
    "format", "columns", "type", "delimiter", "record_delimiter", "header", "multiline", "comment", "encoding",
    "errors",
)  # fmt: skip


def lint(spec: JobSpec, name: str, others: Mapping[str, JobSpec] | None = None) -> list[str]:
    """What is wrong with the job for a deployment beside `others`: a sentence for each problem."""
    return [f"{name}: {key}: {text}" for key, text in problems(spec, name, others)]


def check(spec: JobSpec, name: str, others: Mapping[str, JobSpec] | None = None) -> None:
    """Raise ConfigError with all that `lint` finds, one problem a line."""
    found = lint(spec, name, others)
    if found:
        raise ConfigError("\n".join(found))


def problems(
    spec: JobSpec, name: str, others: Mapping[str, JobSpec] | None = None, *, places: bool = True
) -> list[Problem]:
    """The same by key. Without `places`, only what matters wherever the job runs: not its S3 places and limits."""
    found = [*_code(spec), *_sql(spec), *_inputs(spec), *_output(spec), *_parquet(spec), *_trigger(spec)]
    found += _requirements(spec)
    found += [*_splits(spec), *_outputs(spec), *_failed_tasks(spec)]
    if not places:
        return found
    found += [*_limits(spec), *_side_files(spec), *lambda_problems(spec.lambda_)]
    found += [*notify_problems(spec.notify), *catalog_problems(spec)]
    return [*found, *place_problems(spec, name, others or {})]


def _code(spec: JobSpec) -> Iterator[Problem]:
    if spec.is_sql and not spec.job:
        return
    if spec.is_sql:
        yield Problem("sql.map", f"a job is either a class or SQL; leave out sql, or job: {spec.job}")
    module, colon, cls = spec.job.partition(":")
    if not colon or not cls.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        wanted = "`module:Class`, such as wordcount:WordCount for the class WordCount in jobs/wordcount.py"
        yield Problem("job", f"expected {wanted}, got {spec.job!a}")


def _sql(spec: JobSpec) -> Iterator[Problem]:
    """The keys that only a job in SQL may have, and those that it may not have."""
    sql = spec.sql
    if not spec.is_sql:
        if sql != SqlSpec():
            yield Problem("sql.map", "missing; expected a query over the table `input`")
        return
    for given in spec.inputs:
        for name, text in _sql_input(given):
            yield Problem(input_key(spec, given, name), text)
        if not spec.map_query(given):
            key = input_key(spec, given, "map")
            yield Problem(key, "missing; expected a query over the table `input`, here or in sql.map")
    if spec.more_inputs and not sql.keys:
        yield Problem(
            "sql.key", "missing; expected the columns in which rows of several inputs have to agree to meet"
        )
    if not spec.more_inputs and spec.input.map:
        yield Problem("input.map", "there is one input: write its query as sql.map")
    for name in ("columns", "header", "by"):
        if getattr(spec.output, name):
            yield Problem(f"output.{name}", "a job in SQL names its columns in sql.reduce; leave it out")
    if spec.output.format == "text":
        yield Problem("output.format", "expected tsv, csv, jsonl or parquet for a job in SQL, got text")
    if spec.accumulate:
        yield Problem(
            "accumulate",
            "a job in SQL keeps results and no states, and results of sql.reduce cannot be"
            " merged with those of later files (an average, a limit); leave it out, or write the job in Python",
        )
    if spec.bad_records.policy == "quarantine":
        text = "a job in SQL stops at the first bad record; use TRY_CAST to go on"
        yield Problem("bad_records.policy", text)
    yield from (problem for name in ("mapper", "reducer") for problem in _duckdb_memory(spec, name))
    if (spec.partitions or 1) > 1 and (sql.order_by or not sql.keys):
        why = "sql.order_by sorts all rows" if sql.order_by else "without sql.key all rows meet"
        yield Problem("partitions", f"{why}, so there is one partition; leave it out, got {spec.partitions}")


def _failed_tasks(spec: JobSpec) -> Iterator[Problem]:
    if spec.limits.failed_tasks and spec.accumulate:
        yield Problem(
            "limits.failed_tasks",
            "what is left out of one run would be missing from the totals for ever; leave it out",
        )


def _sql_input(given: InputSpec) -> Iterator[tuple[str, str]]:
    """What DuckDB cannot read as a table: names of settings, and sentences."""
    with suppress(ValueError):  # DuckDB knows more types than we do
        untyped = [name for name, kind in parse_columns(given.columns) if not kind]
        if untyped:
            text = f"such as `a BIGINT, b VARCHAR`; {untyped[0]} has no type"
            yield "columns", f"expected column definitions {text}"
    if given.format in ("fixed", "whole_file"):
        text = f"{given.format} is not a table; expected text, csv, tsv, jsonl or parquet"
        yield "format", text
    if given.type:
        yield "type", "a job in SQL has no class to decode into; declare input.columns"
    if given.format in ("text", "parquet") and given.columns:
        what = "one column, line" if given.format == "text" else "the columns that its files have"
        yield "columns", f"{given.format} has {what}; leave it out"
    if given.encoding == "bytes":
        yield "encoding", "a job in SQL reads text; expected the name of a codec, got bytes"
    if given.multiline and (given.comment or given.errors != "strict" or given.encoding.lower() != "utf-8"):
        text = "a job in SQL reads such objects as they are: plain utf-8 without comments"
        yield "multiline", f"{text}; leave out input.comment, input.encoding and input.errors"


def _duckdb_memory(spec: JobSpec, function: str) -> Iterator[Problem]:
    memory = getattr(spec.memory, function)
    if memory < LEAST_SQL_MEMORY:
        yield Problem(f"memory.{function}", f"DuckDB needs {LEAST_SQL_MEMORY} MB, got {memory}")


def _inputs(spec: JobSpec) -> Iterator[Problem]:
    for given in spec.inputs:
        yield from _encoding(given, input_key(spec, given, "encoding"))
        if given.columns and not spec.is_sql and given.format != "parquet":
            text = f"only parquet and jobs in SQL have columns to choose from; {given.format} has none"
            yield Problem(input_key(spec, given, "columns"), text)
        if given.record_delimiter:
            key = input_key(spec, given, "record_delimiter")
            yield from (Problem(key, text) for text in _record_delimiter(spec, given))
        if given.reader:
            key = input_key(spec, given, "reader")
            yield from (Problem(key, text) for text in _reader(spec, given))


def _reader(spec: JobSpec, given: InputSpec) -> Iterator[str]:
    """A reader of the job's own takes the place of all else that says what a record is."""
    if spec.is_sql:
        yield "a job in SQL reads tables; leave it out"
    if spec.split_lines:
        yield "split_lines counts lines, and only the reader knows its records; use split_size or map_tasks"
    usual = InputSpec(url=given.url)
    for name in _OF_FORMATS:
        if getattr(given, name) != getattr(usual, name):
            yield f"makes records of an object's bytes by itself; leave out {input_key(spec, given, name)}"


def _record_delimiter(spec: JobSpec, given: InputSpec) -> Iterator[str]:
    if spec.is_sql:
        yield "a job in SQL reads lines; leave it out"
    elif given.format != "text":
        yield f"only text has records that end as you like, got input.format: {given.format}; leave it out"
    if given.comment:
        yield "comments are lines, and there are none; leave it out, or input.comment"
    if spec.split_lines:
        yield "split_lines counts lines, and there are none; use split_size or map_tasks"
    with suppress(LookupError):
        codec = codecs.lookup("utf-8" if given.encoding == "bytes" else given.encoding).name
        if codec not in _WHOLE_CHARACTERS and len(bytes(range(256)).decode(codec, "replace")) != 256:
            text = f"in {given.encoding} its bytes may be part of other characters"
            yield f"{text}; expected utf-8, bytes, or an encoding of one byte a character"
            return
        try:
            given.record_end  # noqa: B018 - whether the text can be written so
        except UnicodeEncodeError:
            yield f"{given.record_delimiter!a} cannot be written in {given.encoding}"


def _output(spec: JobSpec) -> Iterator[Problem]:
    given = spec.output
    if given.header and given.format != "csv":
        yield Problem("output.header", f"only csv has a header, got {given.format}; leave it out")
    if given.columns and given.format not in ("csv", "parquet") and not given.by:
        yield Problem("output.columns", f"only csv and parquet have named columns; {given.format} has none")
    if given.format in ("parquet", "pairs") and given.compression != "none":
        yield Problem("output.compression", f"{given.format} compresses by itself; leave it out")
    if given.format == "pairs" and given.by:
        yield Problem("output.by", "pairs are for another job to read, all of them; leave it out")
    if given.one_file and (spec.partitions or 1) > 1:
        text = f"output.one_file makes one sorted part of one partition; leave it out, got {spec.partitions}"
        yield Problem("partitions", text)
    if given.sorted and spec.is_sql and not spec.sql.order_by:
        text = "a job in SQL is sorted as a whole by sql.order_by; write that, or leave it out"
        yield Problem("output.sorted", text)
    if given.one_file and given.by:
        yield Problem("output.one_file", "output.by makes a file for each value; choose one of the two")


def _outputs(spec: JobSpec) -> Iterator[Problem]:
    """Other outputs, and parts in a format of the job's own."""
    given = spec.output
    usual = OutputSpec(url=given.url)
    if given.container:
        if spec.sql.map:
            yield Problem("output.container", "a job in SQL writes tables; leave it out")
        for name in ("format", "columns", "header", "by"):
            if getattr(given, name) != getattr(usual, name):
                yield Problem("output.container", f"writes parts by itself; leave out output.{name}")
    for name, settings in spec.outputs.items():
        if not re.fullmatch(TAG, name):
            yield Problem("outputs", f"{name!a}: expected a name of a-z, 0-9 and _, beginning with a letter")
        if not isinstance(settings, dict) or (odd := settings.keys() - set(_OF_OUTPUTS)):
            what = f"{min(odd)!a}" if isinstance(settings, dict) else f"{settings!a}"
            yield Problem(f"outputs.{name}", f"expected a mapping of {', '.join(_OF_OUTPUTS)}, got {what}")
            continue
        try:
            other = replace(spec, output=spec.output_of(name), outputs={})
        except ValidationError as error:
            yield Problem(f"outputs.{name}", str(error))
            continue
        for key, text in (*_output(other), *_columns(other.output.columns, "output.columns")):
            yield Problem(key.replace("output.", f"outputs.{name}.", 1), text)
        if other.output.format == "parquet":
            yield from _duckdb_memory(spec, "reducer")
    if not spec.outputs:
        return
    if spec.sql.map:
        yield Problem("outputs", "a job in SQL has one output; leave it out")
    if spec.accumulate:
        yield Problem(
            "outputs", "what one run yields beside its results is in no totals; leave out accumulate"
        )
    if given.by == "output":
        yield Problem(
            "output.by", "the folders output=... are those of `outputs`; give the column another name"
        )
    if given.format == "pairs":
        yield Problem(
            "outputs", "the parts of output.format: pairs are all for one job to read; leave it out"
        )


def _side_files(spec: JobSpec) -> Iterator[Problem]:
    for entry in spec.side_files:
        bucket, slash, key = entry.removeprefix("s3://").partition("/")
        if entry.startswith("/"):
            yield Problem("files", f"{entry}: expected a file beside the job file, or s3://bucket/key")
        elif entry.startswith("s3://") and not (bucket and slash and key and not key.endswith("/")):
            yield Problem("files", f"{entry}: expected s3://bucket/key, one object")
        elif mark := pattern_in(entry):
            text = f"{mark!a} stands for other objects in the functions' policies; expected the name of one"
            yield Problem("files", f"{entry}: {text}")


_LIST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.txt")
#: A version of a package; extras, and a marker that says where it is needed.
_PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])? *== *[A-Za-z0-9][A-Za-z0-9.!+_-]*( *;.*)?")


def _requirements(spec: JobSpec) -> Iterator[Problem]:
    for entry in spec.packages:
        if not _LIST.fullmatch(entry) and not _PINNED.fullmatch(entry):
            wanted = (
                "name==version, so that each deployment ships the same, or a list beside the job file (*.txt)"
            )
            yield Problem("requirements", f"expected {wanted}, got {entry!a}")


def _parquet(spec: JobSpec) -> Iterator[Problem]:
    """What a job that is not SQL needs so that DuckDB can read or write Parquet for it."""
    if spec.is_sql:
        return
    for given in spec.inputs:
        if given.format != "parquet":
            continue
        for name in ("comment", "type", "header", "multiline"):
            if getattr(given, name):
                yield Problem(input_key(spec, given, name), "does not apply to parquet; leave it out")
        yield from _columns(given.columns, input_key(spec, given, "columns"))
        yield from _duckdb_memory(spec, "mapper")
    yield from _columns(spec.output.columns, "output.columns")
    if spec.output.format == "parquet":
        yield from _duckdb_memory(spec, "reducer")


def _columns(text: str, key: str) -> Iterator[Problem]:
    try:
        names = [name for name, _ in parse_columns(text)]
    except ValueError as error:
        yield Problem(key, str(error))
        return
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        yield Problem(key, f"two columns are called {twice}; expected a name of its own for each")


def _encoding(given: InputSpec, key: str) -> Iterator[Problem]:
    encoding = given.encoding
    if encoding == "bytes":
        return
    try:
        line_end = b"\n".decode(encoding)
    except UnicodeError:
        line_end = ""
    except (LookupError, ValueError):
        wanted = "the name of a text codec that Python knows, such as utf-8 or latin-1, or bytes"
        yield Problem(key, f"expected {wanted}, got {encoding!a}")
        return
    if line_end != "\n" and given.format == "text":
        text = (
            f"{encoding} has line ends of its own, so text in it cannot be split; convert the input to utf-8"
        )
        yield Problem(key, f"{text}, or use format: whole_file")


def _trigger(spec: JobSpec) -> Iterator[Problem]:
    for given in spec.inputs:
        if spec.trigger in ("marker", "success") and given.suffix:
            text = f"{given.suffix!a} would filter out the markers that trigger: {spec.trigger} waits for"
            yield Problem(
                input_key(spec, given, "suffix"), f"{text}; remove the suffix, or use trigger: each"
            )
    if spec.audit and spec.audit % 60:
        yield Problem("audit", f"expected whole minutes, such as 1h, got {spec.audit}s")
    if spec.trigger == "each" and spec.manifest.scope != "input":
        text = "with trigger: each no object is a manifest"
        yield Problem("manifest.scope", f"{text}; use trigger: marker, or leave it out")


def _splits(spec: JobSpec) -> Iterator[Problem]:
    """One way alone to say how much of the input is one map task."""
    given = [name for name in ("split_size", "split_lines", "map_tasks") if getattr(spec, name) is not None]
    if len(given) > 1:
        yield Problem(given[1], f"{given[0]} says already how the input is cut; leave one of them out")
    if spec.split_lines is None:
        return
    for one in spec.inputs:
        kind = "multiline" if one.multiline else one.format
        if kind in ("multiline", "fixed", "whole_file", "parquet", "pairs"):
            text = f"counts lines, and the records of {input_key(spec, one, 'format')}: {one.format} are no lines"
            if one.multiline:
                text = f"counts lines, and with {input_key(spec, one, 'multiline')} a record may have several"
            yield Problem("split_lines", f"{text}; use split_size or map_tasks")


def _limits(spec: JobSpec) -> Iterator[Problem]:
    for function in spec.timeout.__struct_fields__:
        seconds = getattr(spec.timeout, function)
        if seconds < MIN_TIMEOUT:
            text = f"{seconds}s leaves no time to commit or hand over; give at least {MIN_TIMEOUT}s"
            yield Problem(f"timeout.{function}", text)
    for function in ("mapper", "reducer"):
        memory = getattr(spec.memory, function)
        if spec.memory_budget is not None and spec.memory_budget >= memory * MIB:
            text = f"{spec.memory_budget} bytes do not fit into the {memory} MB of memory.{function}"
            yield Problem("memory_budget", f"{text}; leave it out for 60 % of that, or give more memory")
