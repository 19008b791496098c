"""The files of a new job: they work as they are, and so does every setting that is commented out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config.load import load_job
from chalicelib.core.errors import UserError
from chalicelib.core.spec import JobSpec
from chalicelib.job.binding import bind
from chalicelib.job.load_class import job_loader
from scripts.new_job import main, scaffold


def test_a_new_job_loads_and_maps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["click-count", "--buckets", "acme"], tmp_path) == 0
    job = load_job("click-count", root=tmp_path, require_cloud=True)
    assert job.spec.input.url == "s3://acme-in/click-count/"
    assert {job.spec.work_loc.bucket, job.spec.output_loc.bucket} == {"acme-work", "acme-out"}
    bound = bind(job_loader(tmp_path / "jobs")(job.spec.job), job.name, {})
    assert list(bound.job.mapper(None, "a b a")) == [("a", 1), ("b", 1), ("a", 1)]
    assert type(bound.job).__name__ == "ClickCount"
    said = capsys.readouterr().out
    for step in ("jobs/click_count.py", "jobs/click-count.yml", "scripts/deploy.py click-count"):
        assert step in said


@pytest.mark.parametrize(
    ("account", "bucket"), [("123456789012", "sluice-123456789012-in"), ("", "sluice-demo-in")]
)
def test_the_buckets_are_named_for_the_account_if_it_is_known(
    account: str, bucket: str, tmp_path: Path
) -> None:
    """Nobody else has such a name by accident, and who does it on purpose is refused by the owner's check."""

    def ask() -> str:
        if not account:
            raise UserError("no credentials")
        return account

    assert main(["tally"], tmp_path, ask) == 0
    assert load_job("tally", root=tmp_path, require_cloud=True).spec.input.loc.bucket == bucket


def test_the_settings_in_comments_are_the_defaults(tmp_path: Path) -> None:
    scaffold(tmp_path, "tally", "acme")
    path = tmp_path / "jobs/tally.yml"
    before = load_job("tally", root=tmp_path, require_cloud=True).spec
    text, uncommented = re.subn(r"(?m)^#(?=[a-z_]+:)", "", path.read_text())
    path.write_text(text)
    assert uncommented == 30
    assert load_job("tally", root=tmp_path, require_cloud=True).spec == before


def test_every_setting_is_shown(tmp_path: Path) -> None:
    scaffold(tmp_path, "tally", "acme")
    shown = set(re.findall(r"(?m)^#?([a-z_]+):", (tmp_path / "jobs/tally.yml").read_text()))
    elsewhere = {"sql", "more_inputs"}  # instead of `job`; in a list
    assert shown == set(JobSpec.__struct_encode_fields__) - elsewhere


@pytest.mark.parametrize("existing", ["word_count.py", "word-count.yml"])
def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, existing: str) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / existing).write_text("mine")
    with pytest.raises(UserError, match=rf"jobs/{re.escape(existing)} exists already"):
        scaffold(tmp_path, "word-count", "acme")
    assert [(path.name, path.read_text()) for path in (tmp_path / "jobs").iterdir()] == [(existing, "mine")]


@pytest.mark.parametrize("name", ["", "2nd", "Tally", "a b", "../a", "a/b", "class", "x" * 33])
def test_bad_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be a job's name"):
        scaffold(tmp_path, name, "acme")
    assert not (tmp_path / "jobs").exists()


@pytest.mark.parametrize("name", ["sum", "job", "a_", "a-1"])
def test_names_that_collide_with_what_a_job_imports_still_work(tmp_path: Path, name: str) -> None:
    module, cls, _ = scaffold(tmp_path, name, "acme")
    found: type[Any] = job_loader(tmp_path / "jobs")(f"{module}:{cls}")
    assert bind(found, name, {}).mapper == "mapper"
