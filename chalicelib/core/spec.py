"""A job's configuration: every key a YAML may hold, its type and its default, in one place.

Reading it from files, the environment and `--set` is `config`'s work; here is only what there is.
"""

# Types as they are, not as text (`from __future__ import annotations`): msgspec would evaluate it at each start.
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, convert, field

from .deployment_spec import (
    DEFAULT_PYTHON,
    CatalogSpec,
    LambdaSpec,
    Names,
    NotifySpec,
    Python,
    parse_columns,
    split_names,
)
from .ports import Loc

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

#: A size; written in YAML as a number of bytes or as `64MiB`, `1GB`, `512KiB`.
Bytes = Annotated[int, Meta(ge=1, extra={"unit": "bytes"})]
#: A length of time in seconds; written as a number, or as `90s`, `15m`.
Seconds = Annotated[int, Meta(ge=1, le=900, extra={"unit": "seconds"})]
#: Policies name keys by their ARN; an alias would not do.
_KMS_KEY = r"^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$"
#: Time between two ticks of a clock, in whole minutes.
Period = Annotated[int, Meta(ge=60, le=604_800, extra={"unit": "seconds"})]
#: `each`, ..., or `every 15m`, which is kept in minutes.
Trigger = Annotated[
    str, Meta(pattern=r"^(each|marker|success|every [1-9][0-9]{0,4}m)$", extra={"unit": "trigger"})
]
LambdaMemory = Annotated[int, Meta(ge=128, le=10_240)]
#: Column definitions, `a BIGINT, b VARCHAR`; in YAML also a mapping of names to types.
Columns = Annotated[str, Meta(extra={"unit": "columns"})]

#: An object with this ending starts a run over the keys and prefixes it names, one a line.
MANIFEST_SUFFIX = ".manifest"
#: A word that names one of several inputs.
TAG = r"[a-z][a-z0-9_]{0,31}"


class InputSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where input is dropped and how its bytes become records."""

    #: Names one of several inputs: `self.input.tag` in its mapper.
    tag: Annotated[str, Meta(pattern=f"^({TAG})?$")] = ""
    url: str
    #: text: a record is a line. csv, tsv: a row of fields. jsonl: a JSON document on a line. fixed: so
    #: many bytes. whole_file: an object (mapper_raw, or a mapper whose key is its URL). parquet: a row, as a
    #: dict; split at row groups. pairs: keys and values as another job wrote them, types and all.
    format: Literal["text", "csv", "tsv", "jsonl", "fixed", "whole_file", "parquet", "pairs"] = "text"
    #: SQL jobs: names and types of the columns, as in CREATE TABLE; empty: found out from the first object.
    #: parquet in other jobs: the names of the columns to read; empty: all.
    columns: Columns = ""
    #: SQL jobs of several inputs: the map query over the records of this one; empty: that of `sql.map`.
    map: str = ""
    #: jsonl: a class of the job's module (a msgspec.Struct, a dataclass) to decode documents into.
    type: str = ""
    #: A function or class of the job's module that makes records of an object's bytes, in place of a format.
    reader: Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")] = ""
    #: csv: what stands between fields, if not a comma (tsv: a tab).
    delimiter: Annotated[str, Meta(max_length=1)] = ""
    #: text: what ends a record, if not a line end.
    record_delimiter: Annotated[str, Meta(max_length=1024)] = ""
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

    @property
    def loc(self) -> Loc:
        """The watched prefix."""
        return parse_url(self.url)

    @property
    def record_end(self) -> bytes:
        """`record_delimiter` as it stands in the objects."""
        return self.record_delimiter.encode("utf-8" if self.encoding == "bytes" else self.encoding)

    @property
    def whole(self) -> bool:
        """Its objects must not be cut."""
        return self.format in ("whole_file", "pairs") or self.multiline

    @property
    def names(self) -> tuple[str, ...]:
        """`columns` as names alone, for jobs that are not SQL."""
        return _names(self.columns)


class PlaceSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str


class OutputSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str
    #: text: the value alone, or the key where the value is None, each on a line, as it is. pairs: for another
    #: job to read, types and all.
    format: Literal["tsv", "jsonl", "csv", "text", "parquet", "pairs"] = "tsv"
    #: csv, parquet: the columns' names, those of the key first; parquet: with types, if not those found.
    columns: Columns = ""
    #: csv: the first line of each part names the columns.
    header: bool = False
    #: Each part in one stream of this kind; parquet compresses by itself.
    compression: Literal["none", "gz", "zst"] = "none"
    #: The whole result as one sorted part, made by one reduce task.
    one_file: bool = False
    #: All keys of a part come before those of the next; the same as `partitioner = Range()`.
    sorted: bool = False
    #: A column's name or number (from 0): rows go to folders `NAME=value/` by what they have there.
    by: str = ""

    #: A class of the job's module that writes parts of a format of its own.
    container: Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")] = ""
    #: What the names of parts end in; empty: the format.
    suffix: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9.]{0,30})?$")] = ""

    @property
    def extension(self) -> str:
        """What the names of parts end in."""
        kind = self.suffix or self.format
        return kind if self.compression == "none" else f"{kind}.{self.compression}"


class MemorySpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lambda memory of each function, in MB (128 to 10 240); CPU grows with it."""

    mapper: LambdaMemory = 2048
    reducer: LambdaMemory = 2048
    supervisor: LambdaMemory = 512
    coordinator: LambdaMemory = 512
    scheduler: LambdaMemory = 512
    auditor: LambdaMemory = 512


class TimeoutSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lambda timeout of each function, in seconds (AWS allows 900)."""

    mapper: Seconds = 900
    reducer: Seconds = 900
    supervisor: Seconds = 300
    coordinator: Seconds = 300
    scheduler: Seconds = 900
    auditor: Seconds = 900


class BadRecordsSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to do with records that cannot be read or on which the user's code raises."""

    #: fail: the run fails at the first. quarantine: it is set aside, and the run goes on up to a limit.
    policy: Literal["fail", "quarantine"] = "fail"
    #: Bad records a run may have, and which share of all records they may be.
    max: Annotated[int, Meta(ge=0)] = 100
    max_fraction: Annotated[float, Meta(ge=0, le=1)] = 0.001


class LimitsSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Brakes: a run that would pass one ends in `_FAILED` before it spends anything. null: no such brake."""

    #: Bytes of input, as they lie there, and map tasks.
    input_bytes: Bytes | None = 128 * TIB
    tasks: Annotated[int, Meta(ge=1)] | None = 4_000_000
    #: A compressed object of more than 16 MiB may unpack to so many times its size. (gzip comes to 1 032 at most.)
    unpack_ratio: Annotated[int, Meta(ge=1)] | None = 2000
    #: Runs of the job that began in the hour before. Counting them takes a LIST for each 1 000 objects that they have.
    runs_per_hour: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    #: US dollars, by a rough estimate made before the run begins.
    dollars: Annotated[float, Meta(ge=0, le=1_000_000)] | None = 5000.0
    #: Runs may start each other, by way of their results, so many times in a row.
    max_chain: Annotated[int, Meta(ge=1, le=1000)] = 16
    #: How many of a step's map tasks may fail for good, as a number, such as 3, or as a share, such as 2%: what they
    #: would have read is left out, and named in the manifest. Never all of them, and none of jobs that accumulate or of
    #: steps that shuffle nothing.
    failed_tasks: Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0, le=1)] = 0


class ShuffleSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How pairs come from map tasks to reduce tasks."""

    #: 1: each reduce task reads from all run files. 2: exchange tasks stand between, so that it reads from few. auto: 2
    #: where that is faster and cheaper.
    levels: Literal["auto", "1", "2"] = "auto"


class ManifestSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a `*.manifest` object may name."""

    #: input: whatever lies in the job's inputs. folder: of that, only what lies in the manifest's own folder and below;
    #: of a job with several inputs, in the folder of that name in each. Whoever may put one then names only their own.
    scope: Literal["input", "folder"] = "input"


class SqlSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A job in SQL, instead of a class: DuckDB runs its queries inside the map and reduce tasks."""

    #: Over the table `input`: the records of one task. Of several inputs, each may have a query of its own.
    map: str = ""
    #: Columns of its result: rows that agree in them meet in one reduce. None: all rows meet.
    key: Names = ""
    #: Over the table `shuffled`: all rows of the map query that belong to one partition. Of several inputs, over a
    #: table for each, called by its tag.
    reduce: str = "SELECT * FROM shuffled"
    #: What the whole result is sorted by, as behind ORDER BY; empty: each partition by the key.
    order_by: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return split_names(self.key)


class JobSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One job's whole configuration, validated. Sizes are in bytes."""

    #: `module:Class`, the module being a file in jobs/; empty for a job in SQL.
    job: str = ""
    sql: SqlSpec = field(default_factory=SqlSpec)
    input: InputSpec
    #: Where `input` is a list: its second entry and those after it.
    more_inputs: tuple[InputSpec, ...] = ()
    work: PlaceSpec
    output: OutputSpec
    #: Other outputs by name, `self.output(name, key)`: `format`, `columns`, `header` and `compression` of each.
    outputs: dict[str, Any] = {}
    #: each: every object starts a run. marker: `_READY` or `*.manifest` does, over what it names. success: so
    #: does `_SUCCESS`, over the parts beside it: one job's results are the next one's input. every 15m: the clock
    #: does, over all that is new since its last run, and so does `*.manifest`.
    trigger: Trigger = "each"
    #: Who tells the functions of objects: S3 itself, or EventBridge, by which several jobs may watch one prefix.
    events: Literal["s3", "eventbridge"] = "s3"
    #: Every so often `audit.py --mend` is done by itself. None: never.
    audit: Period | None = None
    manifest: ManifestSpec = field(default_factory=ManifestSpec)
    #: Bytes of input that a run is expected to have at most. Memory and local disk that are not set are chosen for it;
    #: more does no harm. None: the defaults.
    expect: Bytes | None = None
    #: Bytes of input of a map task; None: chosen from the input's size.
    split_size: Bytes | None = None
    #: In place of `split_size`: lines of input of a map task, or how many map tasks there are at most.
    split_lines: Annotated[int, Meta(ge=1)] | None = None
    map_tasks: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    #: Fixed slots of the key space; None: chosen from the input's size. One, whatever is said here, for one reducer.
    partitions: Annotated[int, Meta(ge=1, le=4096)] | None = None
    reduce_size: Bytes = 128 * MIB
    #: At most so many reduce tasks; None: as many as the data is worth. 1: a single one, and one sorted part.
    reducers: Annotated[int, Meta(ge=1)] | None = None
    max_attempts: Annotated[int, Meta(ge=1, le=20)] = 4
    bad_records: BadRecordsSpec = field(default_factory=BadRecordsSpec)
    #: Bytes of records a map or reduce task holds before it spills; None: 60 % of the function's memory.
    memory_budget: Bytes | None = None
    memory: MemorySpec = field(default_factory=MemorySpec)
    timeout: TimeoutSpec = field(default_factory=TimeoutSpec)
    limits: LimitsSpec = field(default_factory=LimitsSpec)
    shuffle: ShuffleSpec = field(default_factory=ShuffleSpec)
    notify: NotifySpec = field(default_factory=NotifySpec)
    catalog: CatalogSpec = field(default_factory=CatalogSpec)
    #: So many mappers, and so many reducers, may run at once, of all runs together, and nobody else may have their
    #: places (Lambda's reserved concurrency of the two functions). None: as many as the account allows.
    concurrency: Annotated[int, Meta(ge=1)] | None = None
    lambda_: LambdaSpec = field(default_factory=LambdaSpec, name="lambda")
    #: Results are over all files so far: each run's are merged with the totals of the runs before it.
    accumulate: bool = False
    #: ARN of the KMS key under which buckets that a deployment makes keep their objects; empty: S3's own.
    kms_key: Annotated[str, Meta(pattern=_KMS_KEY)] = ""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    #: Python of the functions, whatever Python deploys them.
    python: Python = DEFAULT_PYTHON
    #: The job's own parameters, `self.params` in its methods.
    params: dict[str, Any] = {}
    #: Side files, `self.file(name)` in its methods: files beside the job file, or `s3://bucket/key`.
    files: Names = ""
    #: Packages that the job imports, `name==version` each, or lists of such (`*.txt`) beside the job file.
    requirements: Names = ""

    @property
    def packages(self) -> tuple[str, ...]:
        return split_names(self.requirements)

    @property
    def package_lists(self) -> tuple[str, ...]:
        """Those of `packages` that are files beside the job file."""
        return tuple(entry for entry in self.packages if entry.endswith(".txt"))

    @property
    def side_files(self) -> tuple[str, ...]:
        return split_names(self.files)

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """All inputs, in the order given; one, without a tag, unless `input` is a list."""
        return (self.input, *self.more_inputs)

    def input_of(self, loc: Loc) -> InputSpec | None:
        """The input under whose prefix an object lies; where there is one input, all objects are of it."""
        if not self.more_inputs:
            return self.input
        holders = (given for given in self.inputs if given.loc.bucket == loc.bucket)
        return next((given for given in holders if loc.key.startswith(given.loc.key)), None)

    @property
    def is_sql(self) -> bool:
        """Whether the job is queries instead of a class."""
        return bool(self.sql.map or any(given.map for given in self.inputs))

    def map_query(self, given: InputSpec) -> str:
        """The query over the records of one of the inputs of a job in SQL."""
        return given.map or self.sql.map

    @property
    def period(self) -> int | None:
        """Seconds between the runs that the clock starts; None where it starts none."""
        word, _, minutes = self.trigger.partition(" ")
        return int(minutes.removesuffix("m")) * 60 if word == "every" else None

    @property
    def shows_latest(self) -> bool:
        """Whether `_latest.json` names the newest result: not of jobs of which each object is one, nor of totals."""
        return self.trigger != "each" and not self.accumulate

    @property
    def has_epilogue(self) -> bool:
        """Whether something is done once a run has ended: somebody is told, or a catalog is."""
        return self.notify.tells or bool(self.catalog.database)

    @property
    def catalog_columns(self) -> list[tuple[str, str]]:
        """(name, type) of the columns of the table in `catalog`. Raises ValueError."""
        return parse_columns(self.catalog.columns or self.output.columns)

    @property
    def uses_duckdb(self) -> bool:
        """Whether its functions need DuckDB, which travels with such jobs only."""
        formats = {self.output.format, *(given.format for given in self.inputs)}
        formats |= {self.output_of(name).format for name in self.outputs}
        return self.is_sql or "parquet" in formats

    def output_of(self, name: str) -> OutputSpec:
        """One of `outputs`. Raises msgspec.ValidationError for settings that are none."""
        settings = {"url": self.output.url, **self.outputs[name]}
        columns = settings.get("columns")
        if isinstance(columns, dict):
            settings["columns"] = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        elif isinstance(columns, list):
            settings["columns"] = ", ".join(map(str, columns))
        return convert(settings, OutputSpec)

    @property
    def work_loc(self) -> Loc:
        return parse_url(self.work.url)

    @property
    def output_loc(self) -> Loc:
        return parse_url(self.output.url)

    def budget(self, function: Literal["mapper", "reducer", "supervisor"]) -> int:
        """Bytes of records a task of `function` may hold in memory."""
        if self.memory_budget is not None:
            return self.memory_budget
        return int(getattr(self.memory, function) * MIB * 0.6)


def _names(columns: str) -> tuple[str, ...]:
    """Names with commas between them, each maybe in double quotes; types behind them are left out."""
    return tuple(name for name, _ in parse_columns(columns))


def parse_url(url: str) -> Loc:
    """`s3://bucket/prefix/` or an absolute folder, as a prefix that is empty or ends in `/`."""
    if url.startswith("/"):
        return Loc(url.rstrip("/") or "/", "")
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return Loc(bucket, prefix if not prefix or prefix.endswith("/") else prefix + "/")
