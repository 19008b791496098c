"""The wheel: what it holds, that its command is the scripts' own code, and that it asks for the versions we chose."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chalicelib.job.code_digest import VERSION
from scripts.console.commands import COMMANDS, as_typed
from scripts.projects.where import HOME, NoProject, installed_root, project_root

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is unpacked, as pip does it, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def sluice(installed: Path, tmp_path: Path) -> Command:
    """Calls the command in an empty folder, or in another one."""

    def call(*words: str, cwd: Path = tmp_path, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "import sys, sluice; sys.exit(sluice.main())", *words]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICE_"))}
        env = kept | {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"} | environ
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False
        )

    return call


def project_in(folder: Path) -> Path:
    """A project of one job."""
    (folder / "jobs").mkdir(parents=True)
    (folder / "sluice.yml").touch()
    for name in ("wordcount.py", "wordcount.yml"):
        (folder / "jobs" / name).write_bytes((HOME / "jobs" / name).read_bytes())
    return folder


def test_it_holds_the_package_and_the_command_and_takes_no_other_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.partition("/")[0] for name in names} == {
        "chalicelib", "sluice", f"sluice_mapreduce-{VERSION}.dist-info",
    }  # fmt: skip
    for ours, theirs in (("chalicelib", "chalicelib"), ("scripts", "sluice/scripts")):
        files = {
            path for path in (HOME / ours).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        }
        assert {f"{theirs}/{path.relative_to(HOME / ours).as_posix()}" for path in files} <= names
    assert not [name for name in names if "__pycache__" in name or "/." in name]


def test_it_is_the_same_bytes_each_time(wheel: Path, build_wheel: Callable[[], Path]) -> None:
    assert build_wheel().read_bytes() == wheel.read_bytes()


def test_versions_are_those_of_the_requirements_files() -> None:
    listed: dict[str, str] = {}
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (HOME / name).read_text()
        listed |= {
            canonicalize_name(n): v
            for n, v in re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", text, re.MULTILINE)
        }
    told = tomllib.loads((HOME / "pyproject.toml").read_text())
    ours = told["project"]
    assert ours["version"] == VERSION
    asked = [
        *ours["dependencies"],
        *(one for extra in ours["optional-dependencies"].values() for one in extra),
    ]
    for wanted in map(Requirement, asked):
        chosen = listed[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(chosen), wanted
        assert chosen in {bound.version for bound in wanted.specifier}, f"{wanted}: tested is {chosen}"
    (backend,) = told["build-system"]["requires"]
    assert f"\n{backend} \\\n" in (HOME / "requirements-wheel.txt").read_text()


def test_a_job_runs_with_the_command_from_anywhere_below_its_project(sluice: Command, tmp_path: Path) -> None:
    project = project_in(tmp_path / "mine")
    below = project / "notes" / "deep"
    below.mkdir(parents=True)
    (below / "a.txt").write_text("to be or not to be\n")
    done = sluice("run", "wordcount", "a.txt", "--output", "out", cwd=below)
    assert done.returncode == 0, done.stderr
    assert (below / "out" / "part-00000.tsv").read_text() == "be\t2\nnot\t1\nor\t1\nto\t2\n"
    (tmp_path / "b.txt").write_text("be\n")
    done = sluice("--project", "mine", "run", "wordcount", "b.txt", "--output", "out")
    assert done.returncode == 0, done.stderr


def test_a_job_file_needs_no_project(sluice: Command, tmp_path: Path) -> None:
    jobs = project_in(tmp_path / "mine") / "jobs"
    (tmp_path / "mine" / "sluice.yml").unlink()
    done = sluice("run", str(jobs / "wordcount.yml"), str(jobs / "wordcount.yml"), "--output", "out")
    assert done.returncode == 0, done.stderr


def test_outside_of_a_project_it_says_what_to_do(sluice: Command, tmp_path: Path) -> None:
    done = sluice("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {tmp_path}: no project: ")
    assert "`sluice init DIR`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_new_project_runs_tests_and_tracks_nothing_that_is_generated(
    sluice: Command, tmp_path: Path
) -> None:
    done = sluice("init", "mine", AWS_EC2_METADATA_DISABLED="true")
    assert done.returncode == 0, done.stderr
    project = tmp_path / "mine"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(project)]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    tracked = subprocess.run([*git, "ls-files"], check=True, capture_output=True, text=True).stdout.split()
    assert not [path for path in tracked if path.startswith((".chalice/", "vendor/"))]
    (tmp_path / "a.txt").write_text("to be\n")
    assert sluice("run", "wordcount", "../a.txt", "--output", "../out", cwd=project).returncode == 0
    done = sluice("new_job", "visits", cwd=project, AWS_EC2_METADATA_DISABLED="true")
    assert "tests/test_visits.py" in done.stdout
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(HOME)},
    )  # fmt: skip
    assert "2 passed" in tested.stdout, tested.stdout + tested.stderr
    changed = subprocess.run(
        [*git, "status", "--porcelain"], check=True, capture_output=True, text=True
    ).stdout
    assert sorted(changed.split()[1::2]) == ["jobs/visits.py", "jobs/visits.yml", "tests/test_visits.py"]


def test_it_speaks_of_itself(sluice: Command) -> None:
    shown = sluice("plan", "--help").stdout
    assert "usage: sluice plan " in shown
    assert "sluice plan wordcount --size 1TB" in shown
    assert ".py" not in sluice().stdout
    assert sluice("--version").stdout.startswith(f"Sluice {VERSION}, ")


def test_commands_are_called_as_they_are_typed() -> None:
    def typed(text: str) -> str:
        return as_typed(text, installed=True)

    assert (
        typed("see .venv/bin/python scripts/status.py visits, or sluice.py")
        == "see sluice status visits, or sluice"
    )
    assert (
        typed("DuckDB: pip install -r requirements-sql.txt") == "DuckDB: pip install 'sluice-mapreduce[sql]'"
    )
    for theirs in ("jobs/status.py: no such file", "my_run.py", "run.py:3: odd", "scripts/mine.py"):
        assert typed(theirs) == theirs
    assert as_typed("scripts/run.py", installed=False) == "scripts/run.py"
    assert all(typed(f"{name}.py") == f"sluice {name}" for name in COMMANDS)


def test_in_a_checkout_the_project_is_the_checkout(tmp_path: Path) -> None:
    other = project_in(tmp_path / "other")
    assert project_root({}, cwd=other) == HOME
    assert project_root({"SLUICE_PROJECT": str(other)}) == other
    with pytest.raises(NoProject, match="make it one with: sluice init"):
        project_root({"SLUICE_PROJECT": str(tmp_path)})
    assert installed_root(other / "jobs") == other
    with pytest.raises(NoProject):
        installed_root(tmp_path)
