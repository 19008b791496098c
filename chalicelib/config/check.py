"""What a well-formed configuration can still get wrong: endless loops, event rules that S3 refuses.

Pure: names and specs in, sentences out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from ..core import keys
from ..core.errors import ConfigError
from ..core.ports import Loc
from ..core.spec import MIB, InputSpec, JobSpec, SqlSpec, parse_columns
from .triggers import Trigger, of_input, triggers

#: Seconds that every function needs to commit or hand over before AWS ends it.
MIN_TIMEOUT = 10
#: MB of memory that DuckDB, its buffers and Python need.
LEAST_SQL_MEMORY = 512

_BUCKET = re.compile(r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
#: In an event rule S3 wants all other characters encoded, takes a space for `+`, and refuses `*`.
_RULE_TEXT = re.compile(r"[A-Za-z0-9!_.'()/-]*")
_IP_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")


class Problem(NamedTuple):
    """A sentence about one dotted key of a job."""

    key: str
    text: str


def lint(spec: JobSpec, name: str, others: Mapping[str, JobSpec] | None = None) -> list[str]:
    """What is wrong with the job for a deployment beside `others`, one sentence each; empty if nothing is."""
    return [f"{name}: {key}: {text}" for key, text in problems(spec, name, others)]


def check(spec: JobSpec, name: str, others: Mapping[str, JobSpec] | None = None) -> None:
    """Raise ConfigError with all that `lint` finds, one a line."""
    found = lint(spec, name, others)
    if found:
        raise ConfigError("\n".join(found))


def problems(
    spec: JobSpec, name: str, others: Mapping[str, JobSpec] | None = None, *, places: bool = True
) -> list[Problem]:
    """The same by key. Without `places`, only what matters wherever the job runs."""
    found = [*_code(spec), *_sql(spec), *_inputs(spec), *_output(spec), *_parquet(spec), *_trigger(spec)]
    if not places:
        return found
    found += [*_limits(spec), *_side_files(spec)]
    bad_urls = list(_urls(spec))
    if bad_urls:
        return found + bad_urls
    rest = {other: theirs for other, theirs in (others or {}).items() if other != name}
    sound = {other: theirs for other, theirs in rest.items() if not list(_urls(theirs))}
    return [
        *found,
        *_rule_texts(spec),
        *_own_places(spec, name),
        *_clashes(spec, name, sound),
        *_loops(spec, name, sound),
        *_shared_totals(spec, sound),
    ]


# One job by itself


def _code(spec: JobSpec) -> Iterator[Problem]:
    if spec.sql.map and not spec.job:
        return
    if spec.sql.map:
        yield Problem("sql.map", f"a job is either a class or SQL; expected no `sql` beside job: {spec.job}")
    module, colon, cls = spec.job.partition(":")
    if not colon or not cls.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        wanted = "`module:Class`, such as wordcount:WordCount for the class WordCount in jobs/wordcount.py"
        yield Problem("job", f"expected {wanted}, got {spec.job!a}")


def _sql(spec: JobSpec) -> Iterator[Problem]:
    """What only a job in SQL may say, and what it may not."""
    given, sql = spec.input, spec.sql
    if not sql.map:
        if sql != SqlSpec():
            yield Problem("sql.map", "missing; expected a query over the table `input`")
        return
    with suppress(ValueError):  # DuckDB knows more types than we do
        untyped = [name for name, kind in parse_columns(given.columns) if not kind]
        if untyped:
            text = f"such as `a BIGINT, b VARCHAR`; {untyped[0]} has no type"
            yield Problem("input.columns", f"expected column definitions {text}")
    if spec.accumulate:
        yield Problem("accumulate", "a job in SQL has no aggregator whose states could be kept; leave it out")
    if spec.more_inputs:
        yield Problem("input", "a job in SQL has one input; expected a mapping, got a list")
    for name in ("columns", "header", "by"):
        if getattr(spec.output, name):
            yield Problem(f"output.{name}", "a job in SQL names its columns in sql.reduce; leave it out")
    if given.format in ("fixed", "whole_file"):
        yield Problem(
            "input.format", f"{given.format} is no table; expected text, csv, tsv, jsonl or parquet"
        )
    if spec.output.format == "text":
        yield Problem("output.format", "expected tsv, csv, jsonl or parquet of a job in SQL, got text")
    if given.type:
        yield Problem("input.type", "a job in SQL has no class to decode into; declare input.columns")
    if given.format in ("text", "parquet") and given.columns:
        what = "one column, line" if given.format == "text" else "the columns that its files have"
        yield Problem("input.columns", f"{given.format} has {what}; leave it out")
    if given.encoding == "bytes":
        yield Problem("input.encoding", "a job in SQL reads text; expected the name of a codec, got bytes")
    if given.multiline and (given.comment or given.errors != "strict" or given.encoding.lower() != "utf-8"):
        text = "a job in SQL reads such objects as they are: plain utf-8 without comments"
        yield Problem("input.multiline", f"{text}; leave out input.comment, input.encoding and input.errors")
    if spec.bad_records.policy == "quarantine":
        yield Problem(
            "bad_records.policy", "a job in SQL stops at the first bad record; use TRY_CAST to go on"
        )
    yield from (problem for name in ("mapper", "reducer") for problem in _duckdb_memory(spec, name))
    if (spec.partitions or 1) > 1 and (sql.order_by or not sql.keys):
        why = "sql.order_by sorts all rows" if sql.order_by else "without sql.key all rows meet"
        yield Problem("partitions", f"{why}, so there is one partition; leave it out, got {spec.partitions}")


def _duckdb_memory(spec: JobSpec, function: str) -> Iterator[Problem]:
    memory = getattr(spec.memory, function)
    if memory < LEAST_SQL_MEMORY:
        yield Problem(f"memory.{function}", f"DuckDB needs {LEAST_SQL_MEMORY} MB, got {memory}")


def _key(spec: JobSpec, given: InputSpec, name: str) -> str:
    """The dotted key of a setting of one of the inputs."""
    return f"input.{given.tag}.{name}" if spec.more_inputs else f"input.{name}"


def _inputs(spec: JobSpec) -> Iterator[Problem]:
    for given in spec.inputs:
        yield from _encoding(given, _key(spec, given, "encoding"))
        if given.columns and not spec.sql.map and given.format != "parquet":
            text = f"only parquet and jobs in SQL have columns to choose from; {given.format} has none"
            yield Problem(_key(spec, given, "columns"), text)


def _output(spec: JobSpec) -> Iterator[Problem]:
    given = spec.output
    if given.header and given.format != "csv":
        yield Problem("output.header", f"only csv has a header; expected no header, got {given.format}")
    if given.columns and given.format not in ("csv", "parquet") and not given.by:
        yield Problem("output.columns", f"only csv and parquet have named columns; {given.format} has none")
    if given.format in ("parquet", "pairs") and given.compression != "none":
        yield Problem("output.compression", f"{given.format} compresses by itself; leave it out")
    if given.format == "pairs" and given.by:
        yield Problem("output.by", "pairs are for another job to read, all of them; leave it out")
    if given.one_file and (spec.partitions or 1) > 1:
        text = f"output.one_file makes one sorted part of one partition; leave it out, got {spec.partitions}"
        yield Problem("partitions", text)
    if given.one_file and given.by:
        yield Problem("output.one_file", "output.by makes a file for each value; choose one of the two")


def _side_files(spec: JobSpec) -> Iterator[Problem]:
    for entry in spec.side_files:
        bucket, slash, key = entry.removeprefix("s3://").partition("/")
        if entry.startswith("/"):
            yield Problem("files", f"{entry}: expected a file beside the job file, or s3://bucket/key")
        elif entry.startswith("s3://") and not (bucket and slash and key and not key.endswith("/")):
            yield Problem("files", f"{entry}: expected s3://bucket/key, one object")


def _parquet(spec: JobSpec) -> Iterator[Problem]:
    """What DuckDB needs where it reads or writes Parquet for a job that is not SQL."""
    if spec.sql.map:
        return
    for given in spec.inputs:
        if given.format != "parquet":
            continue
        for name in ("comment", "type", "header", "multiline"):
            if getattr(given, name):
                yield Problem(_key(spec, given, name), "parquet has no such thing; leave it out")
        yield from _columns(given.columns, _key(spec, given, "columns"))
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
        if spec.trigger != "each" and given.suffix:
            text = f"{given.suffix!a} would filter out the markers that trigger: {spec.trigger} waits for"
            yield Problem(_key(spec, given, "suffix"), f"{text}; remove the suffix, or use trigger: each")


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


def _urls(spec: JobSpec) -> Iterator[Problem]:
    places = [(_key(spec, given, "url"), given.url) for given in spec.inputs]
    for key, url in [*places, ("work.url", spec.work.url), ("output.url", spec.output.url)]:
        bucket = url.removeprefix("s3://").partition("/")[0]
        if not url.startswith("s3://") or not bucket:
            yield Problem(key, f"expected s3://bucket/prefix/, got {url!a}")
        elif (
            not _BUCKET.fullmatch(bucket) or _IP_ADDRESS.fullmatch(bucket) or bucket.endswith(_RESERVED_ENDS)
        ):
            rule = "3 to 63 of a-z, 0-9, - and ., and none of the forms that AWS reserves"
            yield Problem(key, f"{bucket!a} cannot be a bucket's name; expected {rule}")


def _rule_texts(spec: JobSpec) -> Iterator[Problem]:
    watched = [("work.url", spec.work.url)]
    for given in spec.inputs:
        watched += [(_key(spec, given, name), getattr(given, name)) for name in ("url", "suffix")]
    for key, text in watched:
        odd = "".join(sorted(set(_RULE_TEXT.sub("", text.removeprefix("s3://")))))
        if odd:
            wanted = "expected only letters, digits and !_.'()/- (the objects' own names may hold anything)"
            yield Problem(key, f"S3's event rules may not match {odd!a} as it stands; {wanted}, got {text!a}")


def _under(place: Loc, prefix: Loc) -> bool:
    return place.bucket == prefix.bucket and place.key.startswith(prefix.key)


def _own_places(spec: JobSpec, name: str) -> Iterator[Problem]:
    for given in spec.inputs:
        yield from _apart(spec, name, given.loc, _key(spec, given, "url"))
    output, runs = spec.output_loc, keys.runs_prefix(spec.work_loc)
    totals = keys.TotalsKeys(spec.work_loc, name).root
    if spec.accumulate and _under(output, totals):
        text = f"{output.url} lies among the totals kept in {totals.url}, of which old ones are deleted"
        yield Problem("output.url", f"{text}; {_MEND}")
    if _under(output, runs):
        text = f"{output.url} lies among the work files of {spec.work_loc.url}, which are deleted after some days"
        yield Problem("output.url", f"{text}; {_MEND}")
    yield from _inputs_apart(spec)


def _inputs_apart(spec: JobSpec) -> Iterator[Problem]:
    """An object is of one input, and S3 refuses rules of which one holds the other."""
    first = spec.input
    for number, given in enumerate(spec.more_inputs, start=1):
        key = _key(spec, given, "url")
        if given.loc.bucket != first.loc.bucket:
            text = f"the inputs of a job share one bucket; expected a prefix of {first.loc.bucket}"
            yield Problem(key, f"{text} as for {first.tag}, got {given.url}")
        for other in spec.inputs[:number]:
            if _under(given.loc, other.loc) or _under(other.loc, given.loc):
                text = f"{given.loc.url} and {other.loc.url} of {other.tag} overlap"
                yield Problem(key, f"{text}, so an object could be of both; {_MEND}")


_MEND = "give it a prefix or bucket of its own"


def _apart(spec: JobSpec, name: str, watched: Loc, key: str) -> Iterator[Problem]:
    work, output = spec.work_loc, spec.output_loc
    endless = (
        f"lie under the watched input prefix {watched.url}, so each would start the job again without end"
    )
    if _under(output, watched):
        yield Problem("output.url", f"results in {output.url} {endless}; {_MEND}")
    if _under(keys.runs_prefix(work, name), watched):
        yield Problem("work.url", f"work files in {work.url} {endless}; {_MEND}")
    elif _under(watched, work):
        yield Problem(key, f"{watched.url} lies under {work.url}, which holds work files; {_MEND}")


# Beside other jobs


def _rules(spec: JobSpec, name: str) -> Iterator[tuple[Trigger, str, str]]:
    """All event rules of a job: (rule, the key that places it, whose it is)."""
    for given in spec.inputs:
        yield of_input(spec, given), _key(spec, given, "url"), "input.url"
    yield triggers(name, spec)["supervisor"], "work.url", "work.url"


def overlap(a: Trigger, b: Trigger) -> bool:
    """Whether S3 refuses the two rules together: one prefix begins, and one suffix ends, the other."""
    prefixes = a.prefix.startswith(b.prefix) or b.prefix.startswith(a.prefix)
    suffixes = a.suffix.endswith(b.suffix) or b.suffix.endswith(a.suffix)
    return a.bucket == b.bucket and prefixes and suffixes


def _show(trigger: Trigger) -> str:
    ending = f" with suffix {trigger.suffix!r}" if trigger.suffix else ""
    return f"s3://{trigger.bucket}/{trigger.prefix}{ending}"


def _clashes(spec: JobSpec, name: str, others: Mapping[str, JobSpec]) -> Iterator[Problem]:
    for mine, key, _ in _rules(spec, name):
        for other, theirs in sorted(others.items()):
            for rule, _, place in _rules(theirs, other):
                if overlap(mine, rule):
                    text = f"watching {_show(mine)} overlaps with {_show(rule)}"
                    whose = f"which job {other} watches for its {place}"
                    mend = "S3 refuses that; give them prefixes (or suffixes) of which none holds the other"
                    yield Problem(key, f"{text}, {whose}; {mend}")


def _shared_totals(spec: JobSpec, others: Mapping[str, JobSpec]) -> Iterator[Problem]:
    """Two jobs may share a place for their results, but not one for what is shown of their totals."""
    for other, theirs in sorted(others.items()):
        if spec.accumulate and theirs.accumulate and spec.output_loc == theirs.output_loc:
            text = f"job {other} keeps totals in {spec.output_loc.url} as well"
            yield Problem("output.url", f"{text}, which holds one {keys.TOTALS} only; {_MEND}")


def _loops(spec: JobSpec, name: str, others: Mapping[str, JobSpec]) -> Iterator[Problem]:
    """The shortest way from this job's output through other jobs back to its input, if there is one."""
    jobs = {**others, name: spec}

    def started_by(job: str) -> list[str]:
        output = jobs[job].output_loc
        return [
            other
            for other in sorted(jobs)
            if other != job and any(_under(output, given.loc) for given in jobs[other].inputs)
        ]

    paths, seen = [[name]], {name}
    for path in paths:
        for job in started_by(path[-1]):
            if job == name:
                text = (
                    f"results start other jobs that start this one: {' -> '.join([*path, name])}, without end"
                )
                yield Problem(
                    "output.url", f"{text}; give one of them an output that is watched by none before it"
                )
                return
            if job not in seen:
                seen.add(job)
                paths.append([*path, job])
