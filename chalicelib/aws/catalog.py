"""Makes the newest result of a job a table of AWS Glue, which Athena reads. docs/how-to/catalog.md shows it.

The table's place is the results of one run. It only moves forward: the run is written in the table, and an older one
changes nothing. Each change names the version of the table that it is of, so of two at once one looks again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core.deployment_spec import hive_type
from ..core.errors import NoticeError
from ..core.outcome import Notice
from ..core.spec import JobSpec
from ..stores.s3_errors import describe

#: Parameters of the table: whose it is.
_JOB, _RUN = "sluice_job", "sluice_run"
#: Times that somebody else may be faster.
_TRIES = 5
_HIVE = "org.apache.hadoop.hive"
_FORMATS = {
    "parquet": {
        "InputFormat": f"{_HIVE}.ql.io.parquet.MapredParquetInputFormat",
        "OutputFormat": f"{_HIVE}.ql.io.parquet.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": f"{_HIVE}.ql.io.parquet.serde.ParquetHiveSerDe"},
    },
    "csv": {
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": f"{_HIVE}.ql.io.HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo": {
            "SerializationLibrary": f"{_HIVE}.serde2.OpenCSVSerde",
            "Parameters": {"separatorChar": ",", "quoteChar": '"'},
        },
    },
}


class Catalog:
    """Keeps the tables of jobs. `client` makes AWS's clients by their names."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = functools.cache(client)

    def __call__(self, spec: JobSpec, notice: Notice) -> None:
        """Make a run's results the table, unless those of a later one are. Raises NoticeError that says why not."""
        from botocore.exceptions import BotoCoreError, ClientError

        place = f"{spec.catalog.database}.{spec.catalog.table_of(notice.job)}"
        whose = f"job {notice.job}, run {notice.run}: the table {place} in Glue"
        try:
            for _ in range(_TRIES):
                if self._moved(spec, notice, whose):
                    return
        except (ClientError, BotoCoreError) as error:
            raise NoticeError(f"{whose}: {describe(error, 'keep a table')}") from error
        raise NoticeError(f"{whose}: others change it all the time")

    def _moved(self, spec: JobSpec, notice: Notice, whose: str) -> bool:
        """One try; False if somebody else was faster."""
        glue, database = self._client("glue"), spec.catalog.database
        wanted = table_of(spec, notice)
        try:
            there = glue.get_table(DatabaseName=database, Name=wanted["Name"])["Table"]
        except glue.exceptions.EntityNotFoundException:
            return self._made(database, wanted)
        found = there.get("Parameters", {})
        if found.get(_JOB) != notice.job:
            raise NoticeError(
                f"{whose}: is there, and none of this job's ({_JOB} = {found.get(_JOB)!r}):"
                " name another in catalog.table"
            )
        if found.get(_RUN, "") >= notice.run:
            return True
        version = {"VersionId": there["VersionId"]} if there.get("VersionId") else {}
        try:
            glue.update_table(DatabaseName=database, TableInput=wanted, **version)
        except glue.exceptions.ConcurrentModificationException:
            return False
        return True

    def _made(self, database: str, wanted: dict[str, Any]) -> bool:
        glue = self._client("glue")
        try:
            glue.create_table(DatabaseName=database, TableInput=wanted)
        except glue.exceptions.AlreadyExistsException:
            return False
        return True


def table_of(spec: JobSpec, notice: Notice) -> dict[str, Any]:
    """The table as Glue takes it. A pure function."""
    kind = spec.output.format
    parameters = {"EXTERNAL": "TRUE", "classification": kind, _JOB: notice.job, _RUN: notice.run}
    if spec.output.header:
        parameters["skip.header.line.count"] = "1"
    return {
        "Name": spec.catalog.table_of(notice.job),
        "Description": f"The newest result of the job {notice.job}; Sluice moves it on.",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "StorageDescriptor": {
            "Columns": [
                {"Name": name.lower(), "Type": "string" if kind == "csv" else hive_type(given)}
                for name, given in spec.catalog_columns
            ],
            "Location": notice.output,
            **_FORMATS[kind],
        },
    }
