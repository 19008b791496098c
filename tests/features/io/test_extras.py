"""What a deployment ships and submits for several inputs and for Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import Job, Sum
from chalicelib.config.check import lint
from chalicelib.config.load import LoadedJob
from chalicelib.config.triggers import Trigger
from chalicelib.core.errors import ConfigError, UserError
from chalicelib.core.spec import InputSpec, MemorySpec
from chalicelib.run import job_code
from scripts.deployment import rules
from scripts.deployment.project import ROOT, Project
from scripts.submitting.uploads import plan_uploads
from tests.features.io.runs import job_spec, output
from tests.features.io.test_inputs import LEFT, RIGHT

PARQUET = InputSpec(url="s3://drop/in/", format="parquet")
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:sluice-join-coordinator"
OTHER = "arn:aws:lambda:eu-west-1:123456789012:function:sluice-other-coordinator"


@pytest.mark.parametrize(
    ("spec", "needs"),
    [
        (job_spec(), False),
        (job_spec(PARQUET), True),
        (job_spec(LEFT, replace(PARQUET, tag="rows")), True),
        (replace(job_spec(), output=output(format="parquet")), True),
    ],
)
def test_duckdb_travels_with_jobs_that_read_or_write_parquet(spec: Any, needs: bool) -> None:
    assert ("\nduckdb==" in Project(ROOT).requirements(spec)) == needs


# -- S3's event rules ----------------------------------------------------------------------------------


def test_a_function_has_a_rule_for_each_input_and_chalice_finds_one() -> None:
    left, right = Trigger("drop", "left/", ""), Trigger("drop", "right/", ".csv")
    before = rules.with_rule({"QueueConfigurations": [1]}, OTHER, Trigger("drop", "else/", ""))
    config = rules.with_rule(before, ARN, left, right)
    assert rules.has_rule(config, ARN, right, left)
    assert not rules.has_rule(config, ARN, left)
    assert not rules.has_rule(config, ARN, left, Trigger("drop", "right/", ""))
    assert rules.has_rule(config, OTHER, Trigger("drop", "else/", ""))
    one = rules.with_first_rule(config, lambda arn: arn == ARN)
    assert rules.has_rule(one, ARN, left)
    assert rules.has_rule(one, OTHER, Trigger("drop", "else/", ""))
    assert one["QueueConfigurations"] == [1]
    assert rules.with_first_rule(before, lambda arn: arn == ARN) == before


# -- uploads -------------------------------------------------------------------------------------------


def test_files_are_uploaded_to_the_input_they_are_named_for(tmp_path: Path) -> None:
    for name in ("a.csv", "b.jsonl"):
        (tmp_path / name).write_bytes(b"1\n")
    loaded = LoadedJob(name="both", spec=job_spec(LEFT, RIGHT), path=tmp_path / "both.yml", provenance={})
    files = [Path(f"right={tmp_path}/b.jsonl"), Path(f"left={tmp_path}/a.csv")]
    urls = [upload.loc.url for upload in plan_uploads(files, loaded, prefix_dir=False).uploads]
    assert urls == ["s3://in/data/right/b.jsonl", "s3://in/data/left/a.csv"]
    with pytest.raises(UserError, match=r"a.csv: for which input\? Expected left=FILE or right=FILE"):
        plan_uploads([tmp_path / "a.csv"], loaded, prefix_dir=False)
    one = replace(loaded.spec, more_inputs=())
    loaded = LoadedJob(name="both", spec=one, path=tmp_path / "both.yml", provenance={})
    assert [
        upload.loc.url for upload in plan_uploads([tmp_path / "a.csv"], loaded, prefix_dir=False).uploads
    ] == ["s3://in/data/left/a.csv"]


# -- what does not go together -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (job_spec(output={"format": "tsv", "header": True}), "output.header: only csv has a header"),
        (job_spec(output={"columns": "a"}), "output.columns: only csv and parquet have named columns"),
        (job_spec(output={"format": "csv", "columns": "a, a"}), "output.columns: two columns are called a"),
        (job_spec(output={"format": "csv", "columns": "a,,b"}), "output.columns: expected names with commas"),
        (
            job_spec(output={"format": "parquet", "compression": "gz"}),
            "output.compression: parquet compresses by",
        ),
        (
            job_spec(output={"one_file": True, "by": "0"}),
            "output.one_file: output.by makes a file for each value",
        ),
        (
            job_spec(output={"one_file": True}, partitions=4),
            "partitions: output.one_file makes one sorted part",
        ),
        (job_spec(replace(PARQUET, header=True)), "input.header: does not apply to parquet"),
        (job_spec(PARQUET, memory=MemorySpec(mapper=256)), "memory.mapper: DuckDB needs 512 MB, got 256"),
        (
            job_spec(output={"format": "parquet"}, memory=MemorySpec(reducer=256)),
            "memory.reducer: DuckDB needs 512 MB",
        ),
        (job_spec(replace(LEFT, columns="a")), "input.columns: only parquet and jobs in SQL have columns"),
    ],
)
def test_settings_that_do_not_go_together_are_told(spec: Any, wanted: str) -> None:
    assert any(wanted in text for text in lint(spec, "job"))


class Chunks(Job):
    def mapper_chunk(self, text: str) -> Any:
        return [(text, 1)]


class Own(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    reducer = Sum()

    def writer(self, key: str, value: int) -> str:
        return f"{key} {value}"


class NotOwn(Own):
    writer = "text"


class Alone(Job):
    shuffle = False

    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1


@pytest.mark.parametrize(
    ("cls", "spec", "wanted"),
    [
        (Chunks, job_spec(PARQUET), "input.format: parquet has rows, no text: write mapper"),
        (
            Own,
            job_spec(output={"format": "parquet"}),
            "output.format: parquet: Own.writer writes rows of its own",
        ),
        (
            Own,
            job_spec(output={"format": "csv", "header": True}),
            "output.header: Own.writer writes rows of its own",
        ),
        (NotOwn, job_spec(), "writer = 'text': expected a method writer"),
        (Alone, job_spec(output={"one_file": True}), "output.one_file: shuffle = False"),
    ],
)
def test_classes_that_do_not_go_with_the_settings_are_told(cls: type[Job], spec: Any, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        job_code.check(lambda _: cls, "job", spec)
    assert wanted in str(caught.value)


def test_a_job_with_its_own_rows_is_sound() -> None:
    job_code.check(lambda _: Own, "job", job_spec(output={"format": "text"}))
