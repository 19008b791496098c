"""A zip is tried before it is deployed: the job is imported from it, by a process that has what Lambda has."""

from __future__ import annotations

import importlib.util
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from chalicelib.core.deployment_spec import LambdaSpec
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from scripts.deployment import trial
from scripts.deployment.runtime import HERE, is_like_here
from scripts.deployment.target import DeployError, Target
from scripts.projects.where import HOME

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_like_here("x86_64"), reason="functions of x86_64 cannot be run here"),
]

JOB = (
    "from chalicelib import Job, Sum\n{more}\n\nclass Words(Job):\n"
    "    def mapper(self, _, line):\n        yield line, 1\n"
)
LIBRARIES = ("msgspec", "yaml", "chalice", "backports")
Zip = Callable[..., Path]


def target(layers: str = "", **variables: str) -> Target:
    spec = JobSpec(
        job="words:Words",
        input=InputSpec(url="s3://a/in/"),
        work=PlaceSpec(url="s3://a/work/"),
        output=OutputSpec(url="s3://a/out/"),
        lambda_=LambdaSpec(environment=variables, layers=layers),
        python=HERE,  # type: ignore[arg-type]
    )
    return Target(name="words", spec=spec, overrides={})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of the package with its libraries, which are those of this environment."""
    path = tmp_path_factory.mktemp("base") / "base.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(HOME / "app.py", "app.py")
        for name in ("chalicelib", *LIBRARIES):
            found = importlib.util.find_spec(name)
            for folder in (found.submodule_search_locations or ()) if found else ():
                for file in Path(folder).rglob("*"):
                    if file.suffix in (".py", ".so"):
                        archive.write(file, f"{name}/{file.relative_to(folder)}")
    return path


@pytest.fixture
def zipped(base: Path, tmp_path: Path) -> Zip:
    """Such a zip with these files, and without what begins so."""

    def make(files: Mapping[str, str | bytes], without: str = "/") -> Path:
        path = tmp_path / "job.zip"
        with zipfile.ZipFile(base) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                if not name.startswith(without):
                    new.writestr(name, old.read(name))
            for name, text in files.items():
                new.writestr(name, text)
        return path

    return make


def job(more: str = "") -> dict[str, str | bytes]:
    return {"jobs/words.py": JOB.format(more=more)}


def test_a_job_that_has_all_it_needs_is_let_through(zipped: Zip) -> None:
    """Helpers, packages with relative imports, data, boto3, and the variables that the functions will have."""
    files = job(
        "import os, boto3, helper\nfrom . import helper as same\nfrom shapes import SIDES\n"
        "assert same.TEXT == 'a'\nassert os.environ['COLOUR'] == 'red'\n"
        "assert 'AWS_ACCESS_KEY_ID' not in os.environ and SIDES == 4\n"
    )
    files |= {
        "jobs/helper.py": "from pathlib import Path\nTEXT = Path(__file__).with_name('a.txt').read_text()\n",
        "jobs/a.txt": "a", "jobs/shapes/__init__.py": "from .square import SIDES\n",
        "jobs/shapes/square.py": "SIDES = 4\n",
    }  # fmt: skip
    trial.try_out(zipped(files), target(COLOUR="red"))


def test_a_package_that_is_here_and_not_in_the_zip_is_told(zipped: Zip) -> None:
    import hypothesis  # in this environment, and not in Lambda's

    path = zipped(job(f"import {hypothesis.__name__}"))
    trial.try_out(path, target(layers="arn:aws:lambda:eu-west-1:123456789012:layer:name:3"))  # may be in that
    with pytest.raises(DeployError) as told:
        trial.try_out(path, target())
    text = str(told.value)
    assert text.startswith(
        "words: Lambda could not import the job from its zip: ConfigError: job: jobs/words.py: line 2"
    )
    assert "imports hypothesis, which is not here" in text
    assert "`requirements`" in text


@pytest.mark.parametrize(
    ("more", "without", "reason"),
    [
        ("open('data.csv')", "/", "No such file or directory: 'data.csv'"),
        ("1 / 0", "/", "ZeroDivisionError"),
        ("", "msgspec/", "No module named 'msgspec'"),
        ("", "chalicelib/functions/reducer", "No module named 'chalicelib.functions.reducer'"),
        ("import os; os._exit(3)", "/", "the process ended with 3"),
    ],
)
def test_what_fails_while_a_function_starts_is_told(
    more: str, without: str, reason: str, zipped: Zip
) -> None:
    with pytest.raises(DeployError, match=reason):
        trial.try_out(zipped(job(more), without), target())


def elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + bytes(8)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("colour/_c.so", elf(0xB7), "for another processor"),
        ("colour/_c.cpython-39-x86_64-linux-gnu.so", elf(0x3E), "for cpython-39"),
        ("colour/_c.so", b"\xcf\xfa\xed\xfe" + bytes(30), "no library of Linux"),
    ],
)
def test_a_wheel_that_does_not_fit_is_told(name: str, content: bytes, why: str, tmp_path: Path) -> None:
    """On any machine: nothing of it has to be run."""
    path = tmp_path / "job.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    with pytest.raises(
        DeployError, match=f"words: {name} is {why}, and its functions run python{HERE} on x86_64"
    ):
        trial.try_out(path, target())


def test_a_zip_that_lambda_would_refuse_is_told_with_what_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "job.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("numpy/a.py", bytes(3 << 20))
        archive.writestr("app.py", "")
    monkeypatch.setattr(trial, "MOST_UNPACKED", 2 << 20)
    with pytest.raises(DeployError, match=r"to 3 MiB, and Lambda takes 2 MiB.*largest in it: numpy 3 MiB"):
        trial.try_out(path, target())
