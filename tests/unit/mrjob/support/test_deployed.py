"""`-r lambda`: a script's project, its settings, and what is called. Deployed: tests/features/mrjob/test_cloud.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.core.errors import RunFailed, UserError
from chalicelib.core.messages import encode
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Part
from chalicelib.mrjob.support.deployed import Deployed, fetch, find_deployed
from chalicelib.stores.memory import MemoryStore

YAML = """\
job: words:MRWords
input: {{url: "s3://my-in/words/", format: text, encoding: bytes}}
work: {{url: "s3://my-work/"}}
output: {{url: "s3://my-out/words/", format: text}}
trigger: {trigger}
"""
#: A command of a project that only tells how it was called.
COMMAND = """\
import os, sys
print(sys.argv[1:], os.environ.get("SLUICE_PARAMS_ARGS"))
print({said!r})
sys.exit({code})
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in (".chalice", "jobs", "scripts"):
        (tmp_path / name).mkdir()
    (tmp_path / "jobs" / "words.py").write_text("")
    return tmp_path


def command(project: Path, name: str, said: str = "", code: int = 0) -> None:
    (project / "scripts" / f"{name}.py").write_text(COMMAND.format(said=said, code=code))


def found(project: Path, buckets: str | None = None, args: tuple[str, ...] = ()) -> Deployed:
    return find_deployed(str(project / "jobs" / "words.py"), "MRWords", args, buckets)


def test_settings_are_found_by_the_job_that_they_name(project: Path) -> None:
    (project / "jobs" / "a.yml").write_text('job: "words:MROther"\n')
    (project / "jobs" / "counts.yml").write_text('job: "words:MRWords"  # as it was\n')
    assert (found(project).name, found(project).root) == ("counts", project)


def test_settings_are_written_once_for_buckets_that_are_named(project: Path) -> None:
    with pytest.raises(
        UserError, match=r"no jobs/\*.yml has job: words:MRWords: name buckets with --buckets PREFIX"
    ):
        found(project)
    assert found(project, "mine").name == "words"
    text = (project / "jobs" / "words.yml").read_text()
    assert 'input: {url: "s3://mine-in/words/", format: text, encoding: bytes}' in text
    assert found(project).name == "words"


def test_a_script_outside_of_a_project_is_told_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"words\.py is deployed with the project.*into jobs/ of one"):
        find_deployed(str(tmp_path / "words.py"), "MRWords", [], "mine")


def test_deploy_and_submit_are_called_with_the_tasks_command_line(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (project / "jobs" / "words.yml").write_text(YAML.format(trigger="marker"))
    command(project, "deploy")
    command(
        project, "submit", "20261128T000655-78d833492052: s3://my-out/words/20261128T000655-78d833492052/"
    )
    caplog.set_level("INFO", "chalicelib.mrjob")
    place = found(project, args=("--least", "3")).run(["a.txt", "b.txt"])
    assert place == Loc("my-out", "words/20261128T000655-78d833492052/")
    assert "['words'] \"--least 3\"" in caplog.text
    assert "['words', 'a.txt', 'b.txt', '--wait'] \"--least 3\"" in caplog.text


def test_several_inputs_are_one_run_or_none(project: Path) -> None:
    (project / "jobs" / "words.yml").write_text(YAML.format(trigger="each"))
    with pytest.raises(
        UserError, match="trigger: each makes a run of each of 2 inputs: write trigger: marker"
    ):
        found(project).run(["a.txt", "b.txt"])


@pytest.mark.parametrize(
    ("said", "code", "text"), [("why", 1, "submit words ended with 1: .*why"), ("", 0, "got 0")]
)
def test_what_fails_says_why(project: Path, said: str, code: int, text: str) -> None:
    (project / "jobs" / "words.yml").write_text(YAML.format(trigger="marker"))
    command(project, "deploy")
    command(project, "submit", said, code)
    with pytest.raises(RunFailed, match=f"(?s){text}"):
        found(project).run(["a.txt"])


def test_parts_are_fetched_in_their_order(tmp_path: Path) -> None:
    store, place = MemoryStore(), Loc("out", "words/run/")
    parts = tuple(Part(key=f"words/run/part-0000{number}.txt", bytes=2, records=1) for number in range(2))
    manifest = Manifest(job="words", run="run", outcome="success", parts=parts)
    store.put(place.child("_manifest.json"), encode(manifest))
    for part in parts:
        store.put(Loc(place.bucket, part.key), part.key.encode())
    names = ["part-00000.txt", "part-00001.txt"]
    assert [part.key for part in fetch(store, place, None).parts] == names
    assert list(tmp_path.iterdir()) == []
    assert [part.key for part in fetch(store, place, tmp_path).parts] == names
    assert (tmp_path / "part-00001.txt").read_bytes() == b"words/run/part-00001.txt"
