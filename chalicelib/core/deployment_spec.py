"""What a deployment adds to a job: how Lambda runs its functions, who is told how its runs have ended, and where its
results are a table. And how columns are written down, in tables as in queries.
"""

# Types as they are, not as text (`from __future__ import annotations`): msgspec would evaluate it at each start.
import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from .ports import Loc

#: Those that Lambda runs and that Sluice is tested with. docs/design.md says why the default is what it is.
Python = Literal["3.11", "3.12", "3.13", "3.14"]
DEFAULT_PYTHON: Python = "3.13"
#: Names with commas between them; in YAML also a list.
Names = Annotated[str, Meta(extra={"unit": "names"})]


class LambdaSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What Lambda lets one say of a job's functions. What is not said here stays as somebody set it by hand."""

    #: Of all four functions; texts.
    tags: dict[str, Any] = {}
    #: Variables of all four functions; texts. They are no place for secrets: plans hold them, too.
    environment: dict[str, Any] = {}
    #: Both or neither: all functions then run in that network, which needs a way to S3 and to Lambda.
    subnets: Names = ""
    security_groups: Names = ""
    #: ARNs of versions, at most five.
    layers: Names = ""
    #: ARN of a role of one's own, for all functions; empty: each has one that allows what it does, and no more.
    role: str = ""
    #: Days that log lines are kept; 0: for ever. None: 30, unless somebody set something else.
    log_retention: Annotated[int, Meta(ge=0, le=3653)] | None = None
    #: X-Ray, active or not.
    tracing: bool | None = None
    #: MB of local disk of mapper and reducer; Lambda gives 512 if nobody says more.
    ephemeral_storage: Annotated[int, Meta(ge=512, le=10_240)] | None = None

    @property
    def subnet_ids(self) -> tuple[str, ...]:
        return split_names(self.subnets)

    @property
    def security_group_ids(self) -> tuple[str, ...]:
        return split_names(self.security_groups)

    @property
    def layer_arns(self) -> tuple[str, ...]:
        return split_names(self.layers)


class NotifySpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is told how a run has ended. Nobody, unless a topic, a bus or a webhook is named."""

    #: What is told of: runs that succeed, that fail, that have set records aside.
    on: Names = "success, failed, bad_records"
    #: ARN of an SNS topic.
    topic: str = ""
    #: Name or ARN of an EventBridge bus; `default` is the account's own.
    bus: str = ""
    #: An `https://` URL, to which a POST goes.
    webhook: str = ""
    #: ARN of the Secrets Manager secret, or of the SSM parameter, whose text signs what goes to the webhook.
    secret: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        return split_names(self.on)

    @property
    def tells(self) -> bool:
        """Whether anybody is told."""
        return bool(self.topic or self.bus or self.webhook)


class CatalogSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table of AWS Glue that is the newest result, for Athena to read. There is none without a database."""

    #: One that exists.
    database: str = ""
    #: Made by the first run; empty: the job's name, with `_` for `-`.
    table: str = ""
    #: The table's columns, of Parquet with types; empty: those of `output.columns`.
    columns: Annotated[str, Meta(extra={"unit": "columns"})] = ""

    def table_of(self, job: str) -> str:
        return self.table or job.lower().replace("-", "_")


_COLUMN = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\s",()]+))((?:\([^()]*\)|\[\d*\]|[^,()])*)(?:,|$)')


def parse_columns(text: str) -> list[tuple[str, str]]:
    """(name, type) of `a BIGINT, "b c" DECIMAL(12, 2)`; the type is empty where there is none.

    Raises ValueError for anything else.
    """
    found, at = [], 0
    while text[at:].strip():
        match = _COLUMN.match(text, at)
        if match is None:
            raise ValueError(f"expected names with commas between them, got {text[at:].strip()!r}")
        quoted, plain, kind = match.groups()
        found.append((quoted.replace('""', '"') if quoted else plain, kind.strip()))
        at = match.end()
    return found


#: DuckDB's types, and what Hive and so Glue call them.
_HIVE = {
    "BOOLEAN": "boolean", "TINYINT": "tinyint", "SMALLINT": "smallint", "INTEGER": "int", "INT": "int",
    "BIGINT": "bigint", "FLOAT": "float", "REAL": "float", "DOUBLE": "double", "VARCHAR": "string", "TEXT": "string",
    "BLOB": "binary", "DATE": "date", "TIMESTAMP": "timestamp",
}  # fmt: skip


def hive_type(kind: str) -> str:
    """Glue's name of one of DuckDB's types; "" for one that it has none for."""
    kind = kind.strip().upper()
    if kind.endswith("[]"):
        inner = hive_type(kind[:-2])
        return f"array<{inner}>" if inner else ""
    decimal = re.fullmatch(r"(?:DECIMAL|NUMERIC)\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", kind)
    return f"decimal({decimal[1]},{decimal[2]})" if decimal else _HIVE.get(kind, "")


def split_names(names: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in names.split(",") if name.strip())


def code_object(work: Loc, job: str, digest: str) -> Loc:
    """Where a zip lies, by its SHA-256 in hex, while a deployment is under way that is too large to be sent."""
    return code_prefix(work, job).child(f"{digest}.zip")


def code_prefix(work: Loc, job: str) -> Loc:
    """Where such zips of a job lie; what a deployment that was killed has left expires."""
    return Loc(work.bucket, f"{work.key}_code/{job}/")
