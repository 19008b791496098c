"""`catalog:`: the newest result of a job is a table of Glue, moved on behind each run and never back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from msgspec.structs import replace

from chalicelib import Job, Sum
from chalicelib.aws.catalog import Catalog
from chalicelib.config.deployment_settings import catalog_problems
from chalicelib.core.deployment_spec import CatalogSpec, NotifySpec
from chalicelib.core.errors import NoticeError
from chalicelib.core.outcome import Notice
from chalicelib.core.spec import JobSpec, OutputSpec
from scripts.deployment.policies import Where, policies
from scripts.deployment.target import FUNCTIONS, Target
from tests.worlds.simulation import Simulation, spec

CSV = OutputSpec(url="s3://out/", format="csv", columns="word, n", header=True)
PARQUET = replace(
    CSV, format="parquet", columns='word VARCHAR, "N" DECIMAL(12, 2), days DATE[]', header=False
)
TELLING = NotifySpec(topic="arn:aws:sns:eu-west-1:123456789012:runs")


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if line == "bad":
            raise ValueError(line)
        yield line, 1

    reducer = Sum()


def with_catalog(output: OutputSpec = CSV, **figures: Any) -> JobSpec:
    catalog = CatalogSpec(database="logs", table=figures.pop("table", ""))
    return replace(spec(catalog=catalog, **figures), output=output)


class Glue:
    """The catalog of an account: its answers to what botocore has found right by Glue's own model.

    A change of a version that is no longer the table's is refused, as Glue refuses it, and as moto does not.
    """

    def __init__(self) -> None:
        self.databases = {"logs"}
        self.tables: dict[str, dict[str, Any]] = {}
        #: Called once, before the next change.
        self.meanwhile: Callable[[], object] | None = None

    def client(self) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        client = boto3.client("glue", "us-east-1", **keys)  # type: ignore[call-overload]
        client.meta.events.register("before-call.glue", self._answer)
        return client

    def _answer(self, model: Any, params: Any, **_: Any) -> Any:
        code, answer = self._do(model.name, json.loads(params["body"]))
        status = 400 if code else 200
        parsed = {"ResponseMetadata": {"HTTPStatusCode": status}, **answer}
        if code:
            parsed["Error"] = {"Code": code, "Message": f"{code} it is"}
        return AWSResponse("", status, {}, None), parsed

    def _do(self, name: str, asked: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if asked["DatabaseName"] not in self.databases:
            return "EntityNotFoundException", {}
        given = asked.get("TableInput", {})
        there = self.tables.get(asked.get("Name") or given["Name"])
        if name != "GetTable" and self.meanwhile:
            act, self.meanwhile = self.meanwhile, None
            act()
            there = self.tables.get(given["Name"])
        if name == "CreateTable":
            return ("AlreadyExistsException", {}) if there else ("", self._put(given, 0))
        if there is None:
            return "EntityNotFoundException", {}
        if name == "GetTable":
            return "", {"Table": there}
        assert name == "UpdateTable"
        if asked["VersionId"] != there["VersionId"]:
            return "ConcurrentModificationException", {}
        return "", self._put(given, int(there["VersionId"]) + 1)

    def _put(self, given: dict[str, Any], version: int) -> dict[str, Any]:
        self.tables[given["Name"]] = {**given, "VersionId": str(version)}
        return {}


@pytest.fixture
def glue() -> Glue:
    return Glue()


def kept(glue: Glue) -> Catalog:
    return Catalog(lambda _: glue.client())


def table(glue: Glue, name: str = "job") -> Any:
    return glue.tables[name]


def notice(run: str, job: str = "job") -> Notice:
    return Notice(job=job, run=run, outcome="success", output=f"s3://out/{run}/", manifest="")


def test_each_run_moves_the_table_on_and_a_failure_leaves_it(glue: Glue, tmp_path: Path) -> None:
    world = Simulation(Words, with_catalog(max_attempts=1), tmp_path)
    world.tell, world.register = (lambda _whom, _notice: None), kept(glue)
    places = []
    for text in (b"a\nb\n", b"c\n", b"bad\n"):
        world.time += 10
        world.drop("a.txt", text)
        world.run()
        places.append(table(glue)["StorageDescriptor"]["Location"])
    first, second, third = places
    assert first < second == third
    run = second.removeprefix("s3://out/").rstrip("/")
    assert f"out/{run}/_SUCCESS" in world.names()
    found = table(glue)
    assert found["Parameters"] == {
        "EXTERNAL": "TRUE", "classification": "csv", "skip.header.line.count": "1",
        "sluice_job": "job", "sluice_run": run,
    }  # fmt: skip
    columns = found["StorageDescriptor"]["Columns"]
    assert columns == [{"Name": "word", "Type": "string"}, {"Name": "n", "Type": "string"}]
    assert world.errors == []


def test_a_catalog_that_fails_costs_no_run_and_no_notice_and_is_told_again(
    glue: Glue, tmp_path: Path
) -> None:
    glue.databases.clear()
    world = Simulation(Words, with_catalog(notify=TELLING), tmp_path)
    heard: list[str] = []
    world.tell, world.register = (lambda _whom, found: heard.append(found.run)), kept(glue)
    world.when(lambda: len(heard) == 2, lambda: glue.databases.add("logs"))
    world.drop("a.txt", b"a\n")
    world.run()
    assert len(heard) >= 2
    assert any(name.endswith("/_SUCCESS") for name in world.names())
    assert any("in Glue: " in str(error) for error in world.errors)
    assert table(glue)["Parameters"]["sluice_run"] == heard[0]


def test_an_older_run_or_another_job_changes_nothing_and_of_two_at_once_one_looks_again(glue: Glue) -> None:
    catalog, job = kept(glue), with_catalog(PARQUET, table="words")
    for run in ("20260102T000000-b", "20260101T000000-a", "20260102T000000-b"):
        catalog(job, notice(run))
        assert table(glue, "words")["StorageDescriptor"]["Location"] == "s3://out/20260102T000000-b/"
    kinds = [column["Type"] for column in table(glue, "words")["StorageDescriptor"]["Columns"]]
    assert kinds == ["string", "decimal(12,2)", "array<date>"]
    with pytest.raises(NoticeError, match=r"none of this job's \(sluice_job = 'job'\): name another"):
        catalog(job, notice("20270101T000000-a", job="other"))

    glue.meanwhile = lambda: catalog(job, notice("20260401T000000-d"))
    catalog(job, notice("20260301T000000-c"))
    assert table(glue, "words")["Parameters"]["sluice_run"] == "20260401T000000-d"
    del glue.tables["words"]
    glue.meanwhile = lambda: catalog(job, notice("20260501T000000-e"))
    catalog(job, notice("20260601T000000-f"))  # both find none, and make one
    assert table(glue, "words")["Parameters"]["sluice_run"] == "20260601T000000-f"


def test_the_role_may_keep_that_table_alone_and_only_where_there_is_one() -> None:
    where = Where(account="123456789012", region="eu-west-1", partition="aws")

    def glued(job: JobSpec) -> dict[str, list[Any]]:
        documents = policies(Target(name="job", spec=job, overrides={}), where)
        return {
            function: [row for row in documents[function]["Statement"] if "glue:" in str(row["Action"])]
            for function in FUNCTIONS
        }

    found = glued(with_catalog())
    (statement,) = found.pop("supervisor")
    prefix = "arn:aws:glue:eu-west-1:123456789012:"
    assert statement["Resource"] == [prefix + name for name in ("catalog", "database/logs", "table/logs/job")]
    assert statement["Action"] == ["glue:GetTable", "glue:CreateTable", "glue:UpdateTable"]
    assert not any(found.values())
    assert not any(glued(replace(spec(), output=CSV)).values())


MISTAKES: dict[str, JobSpec] = {
    "catalog.database: missing; catalog.table": spec(catalog=CatalogSpec(table="x")),
    "catalog.database: expected a name of small letters": replace(
        with_catalog(), catalog=CatalogSpec(database="Logs")
    ),
    "catalog: Athena reads results with output.format: parquet or csv": spec(
        catalog=CatalogSpec(database="logs")
    ),
    "leave out catalog or output.by": with_catalog(replace(CSV, by="word")),
    "leave out catalog or outputs": with_catalog(outputs={"other": {}}),
    "leave out catalog or accumulate": with_catalog(accumulate=True),
    "output.columns: missing; expected the columns of the table": with_catalog(replace(CSV, columns="")),
    "n BIGINT: Athena reads texts alone from csv": with_catalog(replace(CSV, columns="n BIGINT")),
    "output.columns: n: expected a type that Glue has, too": with_catalog(
        replace(PARQUET, columns="n HUGEINT")
    ),
}


def test_what_can_be_no_table_is_told_with_the_key_to_mend() -> None:
    for message, job in MISTAKES.items():
        told = "\n".join(f"{problem.key}: {problem.text}" for problem in catalog_problems(job))
        assert message in told
    assert list(catalog_problems(with_catalog())) == list(catalog_problems(with_catalog(PARQUET))) == []
    assert list(catalog_problems(spec())) == []
