"""What a well-formed configuration can still get wrong: endless loops, event rules that S3 refuses.

Pure: names and specs in, sentences out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from . import keys
from .errors import ConfigError
from .ports import Loc
from .spec import MIB, JobSpec, SqlSpec, parse_url
from .triggers import Trigger, TriggeredFunction, triggers

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
    found = [*_code(spec), *_sql(spec), *_encoding(spec), *_trigger(spec)]
    if not places:
        return found
    found += _limits(spec)
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
        if given.columns:
            yield Problem("input.columns", "only a job in SQL has columns; see sql.map")
        for place, form in (("input", given.format), ("output", spec.output.format)):
            if form == "parquet":
                yield Problem(f"{place}.format", "only a job in SQL has parquet; see sql.map")
        return
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
    for function in ("mapper", "reducer"):
        if getattr(spec.memory, function) < LEAST_SQL_MEMORY:
            text = f"DuckDB needs {LEAST_SQL_MEMORY} MB, got {getattr(spec.memory, function)}"
            yield Problem(f"memory.{function}", text)
    if (spec.partitions or 1) > 1 and (sql.order_by or not sql.keys):
        why = "sql.order_by sorts all rows" if sql.order_by else "without sql.key all rows meet"
        yield Problem("partitions", f"{why}, so there is one partition; leave it out, got {spec.partitions}")


def _encoding(spec: JobSpec) -> Iterator[Problem]:
    encoding = spec.input.encoding
    if encoding == "bytes":
        return
    try:
        line_end = b"\n".decode(encoding)
    except UnicodeError:
        line_end = ""
    except (LookupError, ValueError):
        wanted = "the name of a text codec that Python knows, such as utf-8 or latin-1, or bytes"
        yield Problem("input.encoding", f"expected {wanted}, got {encoding!a}")
        return
    if line_end != "\n" and spec.input.format == "text":
        text = (
            f"{encoding} has line ends of its own, so text in it cannot be split; convert the input to utf-8"
        )
        yield Problem("input.encoding", f"{text}, or use format: whole_file")


def _trigger(spec: JobSpec) -> Iterator[Problem]:
    if spec.trigger == "marker" and spec.input.suffix:
        text = f"{spec.input.suffix!a} would filter out the markers that trigger: marker waits for"
        yield Problem("input.suffix", f"{text}; remove the suffix, or use trigger: each")


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
    for place in ("input", "work", "output"):
        url = getattr(spec, place).url
        bucket = url.removeprefix("s3://").partition("/")[0]
        if not url.startswith("s3://") or not bucket:
            yield Problem(f"{place}.url", f"expected s3://bucket/prefix/, got {url!a}")
        elif (
            not _BUCKET.fullmatch(bucket) or _IP_ADDRESS.fullmatch(bucket) or bucket.endswith(_RESERVED_ENDS)
        ):
            rule = "3 to 63 of a-z, 0-9, - and ., and none of the forms that AWS reserves"
            yield Problem(f"{place}.url", f"{bucket!a} cannot be a bucket's name; expected {rule}")


def _rule_texts(spec: JobSpec) -> Iterator[Problem]:
    watched = (
        ("input.url", spec.input.url),
        ("work.url", spec.work.url),
        ("input.suffix", spec.input.suffix),
    )
    for key, text in watched:
        odd = "".join(sorted(set(_RULE_TEXT.sub("", text.removeprefix("s3://")))))
        if odd:
            wanted = "expected only letters, digits and !_.'()/- (the objects' own names may hold anything)"
            yield Problem(key, f"S3's event rules may not match {odd!a} as it stands; {wanted}, got {text!a}")


def _under(place: Loc, prefix: Loc) -> bool:
    return place.bucket == prefix.bucket and place.key.startswith(prefix.key)


def _own_places(spec: JobSpec, name: str) -> Iterator[Problem]:
    watched, work, output = parse_url(spec.input.url), spec.work_loc, spec.output_loc
    endless = (
        f"lie under the watched input prefix {watched.url}, so each would start the job again without end"
    )
    mend = "give it a prefix or bucket of its own"
    if _under(output, watched):
        yield Problem("output.url", f"results in {output.url} {endless}; {mend}")
    if _under(keys.runs_prefix(work, name), watched):
        yield Problem("work.url", f"work files in {work.url} {endless}; {mend}")
    elif _under(watched, work):
        yield Problem("input.url", f"{watched.url} lies under {work.url}, which holds work files; {mend}")
    if _under(output, keys.runs_prefix(work)):
        text = f"{output.url} lies among the work files of {work.url}, which are deleted after some days"
        yield Problem("output.url", f"{text}; {mend}")


# Beside other jobs


#: The key that places each function's trigger.
_PLACED_BY: dict[TriggeredFunction, str] = {"coordinator": "input.url", "supervisor": "work.url"}


def overlap(a: Trigger, b: Trigger) -> bool:
    """Whether S3 refuses the two rules together: one prefix begins, and one suffix ends, the other."""
    prefixes = a.prefix.startswith(b.prefix) or b.prefix.startswith(a.prefix)
    suffixes = a.suffix.endswith(b.suffix) or b.suffix.endswith(a.suffix)
    return a.bucket == b.bucket and prefixes and suffixes


def _show(trigger: Trigger) -> str:
    ending = f" with suffix {trigger.suffix!r}" if trigger.suffix else ""
    return f"s3://{trigger.bucket}/{trigger.prefix}{ending}"


def _clashes(spec: JobSpec, name: str, others: Mapping[str, JobSpec]) -> Iterator[Problem]:
    for function, mine in triggers(name, spec).items():
        for other, theirs in sorted(others.items()):
            for their_function, rule in triggers(other, theirs).items():
                if overlap(mine, rule):
                    text = f"watching {_show(mine)} overlaps with {_show(rule)}"
                    whose = f"which job {other} watches for its {_PLACED_BY[their_function]}"
                    mend = "S3 refuses that; give them prefixes (or suffixes) of which none holds the other"
                    yield Problem(_PLACED_BY[function], f"{text}, {whose}; {mend}")


def _loops(spec: JobSpec, name: str, others: Mapping[str, JobSpec]) -> Iterator[Problem]:
    """The shortest way from this job's output through other jobs back to its input, if there is one."""
    jobs = {**others, name: spec}

    def started_by(job: str) -> list[str]:
        output = jobs[job].output_loc
        return [n for n in sorted(jobs) if n != job and _under(output, parse_url(jobs[n].input.url))]

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
