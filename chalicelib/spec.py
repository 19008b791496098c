"""A job's configuration: every key a YAML may hold, its type and its default, in one place.

Reading it from files, the environment and `--set` is `config`'s work; here is only what there is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from .ports import Loc

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

#: A size; written in YAML as a number of bytes or as `64MiB`, `1GB`, `512KiB`.
Bytes = Annotated[int, Meta(ge=1, extra={"unit": "bytes"})]
#: A length of time in seconds; written as a number, or as `90s`, `15m`.
Seconds = Annotated[int, Meta(ge=1, le=900, extra={"unit": "seconds"})]
#: Policies name keys by their ARN; an alias would not do.
_KMS_KEY = r"^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$"
LambdaMemory = Annotated[int, Meta(ge=128, le=10_240)]
#: Names with commas between them; in YAML also a list.
Names = Annotated[str, Meta(extra={"unit": "names"})]
#: Column definitions, `a BIGINT, b VARCHAR`; in YAML also a mapping of names to types.
Columns = Annotated[str, Meta(extra={"unit": "columns"})]


class InputSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where input is dropped and how its bytes become records."""

    url: str
    #: text: a record is a line. csv, tsv: a row of fields. jsonl: a JSON document on a line. fixed: so
    #: many bytes. whole_file: an object (mapper_raw, or a mapper whose key is its URL). parquet: SQL only.
    format: Literal["text", "csv", "tsv", "jsonl", "fixed", "whole_file", "parquet"] = "text"
    #: SQL jobs: names and types of the columns, as in CREATE TABLE; empty: found out from the first object.
    columns: Columns = ""
    #: jsonl: a class of the job's module (a msgspec.Struct, a dataclass) to decode documents into.
    type: str = ""
    #: csv: what stands between fields, if not a comma (tsv: a tab).
    delimiter: Annotated[str, Meta(max_length=1)] = ""
    #: csv, tsv: the first line of each object names the columns; records are dicts.
    header: bool = False
    #: csv, tsv: quoted fields may hold newlines; each object is then one split.
    multiline: bool = False
    #: Lines that begin so are passed over; empty: none are.
    comment: str = ""
    #: fixed: bytes of a record.
    record_bytes: Annotated[int, Meta(ge=1)] = 1
    #: A longer record (a line, a row, a whole file) is a bad one, so that a missing line end or a small
    #: object that unpacks to a huge one cannot fill the memory.
    max_record_bytes: Bytes = 64 * MIB
    #: A Python codec's name for text, or `bytes` for lines as they are.
    encoding: str = "utf-8"
    #: What to do with bytes that are no text: strict (the run fails, naming them) or replace.
    errors: Literal["strict", "replace"] = "strict"
    #: Only keys that end so start a run (S3's suffix filter); empty: all.
    suffix: str = ""


class PlaceSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str


class OutputSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str
    #: text: the value alone, or the key where the value is None, each on a line, as it is. parquet: SQL only.
    format: Literal["tsv", "jsonl", "csv", "text", "parquet"] = "tsv"


class MemorySpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lambda memory of each function, in MB (128 to 10 240); CPU grows with it."""

    mapper: LambdaMemory = 2048
    reducer: LambdaMemory = 2048
    supervisor: LambdaMemory = 256
    coordinator: LambdaMemory = 512


class TimeoutSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lambda timeout of each function, in seconds (AWS allows 900)."""

    mapper: Seconds = 900
    reducer: Seconds = 900
    supervisor: Seconds = 300
    coordinator: Seconds = 300


class BadRecordsSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to do with records that cannot be read or on which the user's code raises."""

    #: fail: the run fails at the first. quarantine: it is set aside, and the run goes on up to a limit.
    policy: Literal["fail", "quarantine"] = "fail"
    #: Bad records a run may have, and which share of all records they may be.
    max: Annotated[int, Meta(ge=0)] = 100
    max_fraction: Annotated[float, Meta(ge=0, le=1)] = 0.001


class SqlSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A job in SQL, instead of a class: DuckDB runs its queries inside the map and reduce tasks."""

    #: Over the table `input`: the records of one task.
    map: str = ""
    #: Columns of its result: rows that agree in them meet in one reduce. None: all rows meet.
    key: Names = ""
    #: Over the table `shuffled`: all rows of the map queries that belong to one partition.
    reduce: str = "SELECT * FROM shuffled"
    #: What the whole result is sorted by, as behind ORDER BY; empty: each partition by the key.
    order_by: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.key.split(",") if name.strip())


class JobSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One job's whole configuration, validated. Sizes are in bytes."""

    #: `module:Class`, the module being a file in jobs/; empty for a job in SQL.
    job: str = ""
    sql: SqlSpec = field(default_factory=SqlSpec)
    input: InputSpec
    work: PlaceSpec
    output: OutputSpec
    #: each: every object starts a run. marker: `_READY` or `*.manifest` does, over what it names.
    trigger: Literal["each", "marker"] = "each"
    split_size: Bytes = 64 * MIB
    #: Fixed slots of the key space; None: chosen from the input's size.
    partitions: Annotated[int, Meta(ge=1, le=4096)] | None = None
    reduce_size: Bytes = 128 * MIB
    max_attempts: Annotated[int, Meta(ge=1, le=20)] = 4
    bad_records: BadRecordsSpec = field(default_factory=BadRecordsSpec)
    #: Bytes of records a map or reduce task holds before it spills; None: 60 % of the function's memory.
    memory_budget: Bytes | None = None
    memory: MemorySpec = field(default_factory=MemorySpec)
    timeout: TimeoutSpec = field(default_factory=TimeoutSpec)
    #: ARN of the KMS key under which buckets that a deployment makes keep their objects; empty: S3's own.
    kms_key: Annotated[str, Meta(pattern=_KMS_KEY)] = ""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    #: The job's own parameters, `self.params` in its methods.
    params: dict[str, Any] = {}

    @property
    def work_loc(self) -> Loc:
        return parse_url(self.work.url)

    @property
    def output_loc(self) -> Loc:
        return parse_url(self.output.url)

    def budget(self, function: Literal["mapper", "reducer"]) -> int:
        """Bytes of records a task of `function` may hold in memory."""
        if self.memory_budget is not None:
            return self.memory_budget
        return int(getattr(self.memory, function) * MIB * 0.6)


def parse_url(url: str) -> Loc:
    """`s3://bucket/prefix/` or an absolute folder, as a prefix that is empty or ends in `/`."""
    if url.startswith("/"):
        return Loc(url.rstrip("/") or "/", "")
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return Loc(bucket, prefix if not prefix or prefix.endswith("/") else prefix + "/")
