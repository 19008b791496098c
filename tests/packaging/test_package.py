"""What Chalice makes of this checkout: the zip, and its functions under Lambda's own runtime client."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest

from scripts.deployment.chalice_cli import chalice
from scripts.deployment.load import load_target
from scripts.deployment.policies import policies
from scripts.deployment.project import ROOT, Project
from scripts.deployment.runtime import HERE
from scripts.deployment.stage import stage_config
from scripts.deployment.target import FUNCTIONS, function_name
from tests.packaging.runtime_api import LambdaProcess

JOB = "wordcount"
#: The functions have the Python that we have, so that they can run here.
OURS = {"SLUICE_PYTHON": HERE}
COMPILED = "__pycache__/"
MAX_ZIP = 5_000_000
SECRET = "not to leave this machine"
#: Nothing listens here: a function that called AWS while it starts would fail.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A checkout as one finds them: with secrets lying about, and with code of other jobs."""
    root = tmp_path_factory.mktemp("package") / "checkout"
    root.mkdir()
    copy = Project(ROOT).copy_to(root)
    for folder in (root, root / "jobs", root / "chalicelib", root / "vendor"):
        (folder / ".env").write_text(f"TOKEN={SECRET}\n")
        (folder / "id_rsa").write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n")
        (folder / ".git").mkdir()
        (folder / ".git" / "config").write_text(SECRET)
    (root / "jobs" / "plans.py").write_text(f"PLAN = {SECRET!r}\n")
    target = load_target(JOB, copy, OURS)
    stage = stage_config(target)
    del stage["log_retention_in_days"]  # `chalice package` knows no log groups, `chalice deploy` does
    copy.write_stage(JOB, stage, policies(target))
    return copy


@pytest.fixture(scope="module")
def package(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip that `chalice deploy` uploads."""
    ours = project.pack(load_target(JOB, project, OURS)).read_bytes()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ["AWS_DEFAULT_REGION"] = "us-east-1"
    out = tmp_path_factory.mktemp("out")
    chalice("package", JOB, project.staging(JOB), environ, "--pkg-format", "terraform", str(out))
    package = out / "deployment.zip"
    assert package.read_bytes() == ours, "Chalice made a zip of its own"
    return package


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def lambda_python() -> Path:
    """The interpreter that has awslambdaric and boto3 only."""
    python = ROOT / ".venv-lambda" / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{python} is missing: run `make setup`")
    version = subprocess.run(
        [python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=True
    )
    assert version.stdout.strip() == str(sys.version_info[:2]), (
        "run `make clean setup`: two Pythons are in use"
    )
    return python


def test_the_zip_holds_the_code_the_job_and_the_dependencies(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "chalicelib").rglob("*.py")}
    assert sources <= names
    assert {"app.py", "chalice/app.py", f"jobs/{JOB}.py", f"jobs/{JOB}.yml"} <= names
    assert {"msgspec/__init__.py", "yaml/__init__.py"} <= names
    if sys.version_info < (3, 14):
        assert "backports/zstd/__init__.py" in names


def test_the_zip_holds_nothing_else(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        names = [name for name in archive.namelist() if COMPILED not in name]
        bodies = [archive.read(name) for name in archive.namelist()]
    assert {name for name in names if name.startswith("jobs/")} == {f"jobs/{JOB}.py", f"jobs/{JOB}.yml"}
    assert all(name.endswith(".py") for name in names if name.startswith("chalicelib/"))
    tops = {name.partition("/")[0] for name in names}
    assert tops.isdisjoint(
        {"boto3", "botocore", "tests", "scripts", ".venv", ".git", "vendor", ".env", "id_rsa"}
    )
    assert len(names) == len(set(names))
    assert not any(SECRET.encode() in body for body in bodies)


def test_each_module_comes_with_what_python_makes_of_it(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    sources = [name for name in names if name.endswith(".py")]
    assert {cache_from_source(name) for name in sources} == {name for name in names if COMPILED in name}
    for name in sources:
        code = compile((tmp_path / name).read_bytes(), f"/var/task/{name}", "exec", dont_inherit=True)
        header, body = (lambda found: (found[:16], found[16:]))(
            (tmp_path / cache_from_source(name)).read_bytes()
        )
        assert marshal.loads(body) == code
        assert header[4:8] == b"\1\0\0\0", "not compared with the source"


def test_another_checkout_makes_the_same_zip(package: Path, tmp_path: Path) -> None:
    other = Project(ROOT).copy_to(tmp_path)
    for path in sorted(tmp_path.rglob("*.py"), reverse=True):
        path.chmod(0o600)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert other.pack(load_target(JOB, other, OURS)).read_bytes() == package.read_bytes()


def test_compiled_modules_are_for_lambdas_processor_and_c_library(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        wheels = {
            name: archive.read(name).decode()
            for name in archive.namelist()
            if name.endswith(".dist-info/WHEEL")
        }
        compiled = [name for name in archive.namelist() if name.endswith(".so")]
    assert compiled, "msgspec is compiled"
    assert all("x86_64-linux-gnu" in name for name in compiled)
    tags = [line for text in wheels.values() for line in text.splitlines() if line.startswith("Tag:")]
    assert any("manylinux" in tag for tag in tags)
    assert not any("musllinux" in tag or "macosx" in tag or "win" in tag for tag in tags)


def test_the_zip_is_small(package: Path, tell: Callable[[str], None]) -> None:
    size = package.stat().st_size
    tell(f"zip: {size / 1e6:.2f} MB")
    assert size < MAX_ZIP


def start(python: Path, code: Path, function: Any, **environ: str) -> LambdaProcess:
    variables = {"SLUICE_NAME": JOB, "AWS_ENDPOINT_URL": NOWHERE, **environ}
    return LambdaProcess(python, code, function_name(JOB, function), f"app.{function}", variables)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_starts_under_lambdas_runtime(
    function: str, unpacked: Path, lambda_python: Path, tell: Callable[[str], None]
) -> None:
    with start(lambda_python, unpacked, function) as process:
        if function in ("coordinator", "supervisor"):
            outcome = process.invoke({"Service": "Amazon S3", "Event": "s3:TestEvent"})
            assert (outcome.kind, outcome.body) == ("response", None)
        else:
            outcome = process.invoke({"job": JOB, "run": "r1"})
            assert outcome.kind == "error"
            assert outcome.body["errorType"] == "CorruptData"
            assert f"the {function}'s event: expected a TaskCall payload" in outcome.body["errorMessage"]
        seconds = process.cold_start
        said = process.stop()
    tell(f"{function}: cold start {seconds * 1000:.0f} ms")
    assert '"function": ' in said, "log lines carry their fields"


def test_a_process_serves_one_invocation_after_the_other(unpacked: Path, lambda_python: Path) -> None:
    with start(lambda_python, unpacked, "supervisor") as process:
        kinds = [process.invoke(event).kind for event in ({"Event": "x"}, {"Records": []}, {"Event": "y"})]
    assert kinds == ["response"] * 3


def test_a_job_that_is_not_in_the_zip_is_an_error_while_starting(unpacked: Path, lambda_python: Path) -> None:
    with start(lambda_python, unpacked, "coordinator", SLUICE_NAME="absent") as process:
        outcome = process.invoke({})
    assert outcome.kind == "init-error"
    assert "absent: no such job" in outcome.body["errorMessage"]


@pytest.mark.parametrize(("function", "reads_yaml"), [("coordinator", True), ("mapper", False)])
def test_only_the_coordinator_reads_yaml(
    function: str, reads_yaml: bool, unpacked: Path, lambda_python: Path
) -> None:
    """And a mapper imports what small runs take of a reducer when it meets one."""
    looked_for = {"yaml", "boto3", "msgspec", "chalicelib.functions.reducer"}
    script = f"import sys, app; print(sorted({looked_for} & set(sys.modules)))"
    done = subprocess.run(
        [lambda_python, "-s", "-c", script],
        cwd=unpacked,
        env={
            "AWS_LAMBDA_FUNCTION_NAME": f"sluice-{JOB}-{function}",
            "SLUICE_NAME": JOB,
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(["boto3", "msgspec", "yaml"] if reads_yaml else ["boto3", "msgspec"])
