"""What a deployment ships of a checkout, and that it is the same bytes from any other one."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts.deploy import parse
from scripts.deployment import package
from scripts.deployment.imports import imported_files
from scripts.deployment.load import load_target
from scripts.deployment.project import ROOT, Project
from scripts.deployment.target import DeployError
from tests.unit.scripts.deployment.world import write_job

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(folder: Path, files: dict[str, str], libraries: frozenset[str] | None = frozenset()) -> list[str]:
    """The files that the module `main` needs, without its own."""
    jobs = folder / "jobs"
    write(jobs, files)
    names = [path.relative_to(jobs).as_posix() for path in imported_files(jobs, "main", libraries)]
    return sorted(name for name in names if name != "main.py")


# ------------------------------------------------------------------ imports


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("import a", ["a.py"]),
        ("import a as b, json", ["a.py"]),
        ("from a import thing", ["a.py"]),
        ("from . import a", ["a.py"]),
        ("from .a import thing", ["a.py"]),
        ("from .p.deep.three import x", ["p/__init__.py", "p/deep/three.py", "p/two.py"]),
        ("def f():\n    import a", ["a.py"]),
        ("import chain", ["a.py", "chain.py"]),
        ("import circle", ["circle.py"]),
        ("import p", ["p/__init__.py"]),
        ("import p.one", ["a.py", "p/__init__.py", "p/one.py", "p/two.py"]),
        ("from p import one", ["a.py", "p/__init__.py", "p/one.py", "p/two.py"]),
        ("from p import NAME", ["p/__init__.py"]),
        ("from p.deep.three import x", ["p/__init__.py", "p/deep/three.py", "p/two.py"]),
        ("from p import *", ["a.py", "p/__init__.py", "p/one.py", "p/two.py"]),
        ("import jobs.a", ["a.py"]),
        ("from jobs.p import two", ["p/__init__.py", "p/two.py"]),
        ("import importlib\nimportlib.import_module('a')", ["a.py"]),
        ("__import__('a')", ["a.py"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a, nowhere", []),
        ("try:\n    import nowhere\nexcept ImportError:\n    import a", ["a.py"]),
        ("try:\n    import nowhere\nexcept (ImportError, OSError):\n    pass", []),
        ("import boto3, json, chalicelib.join, os.path, numpy.linalg", []),
        ("'import a'  # import a", []),
    ],
)
def test_what_a_module_imports_is_found_without_running_it(
    code: str, needed: list[str], tmp_path: Path
) -> None:
    files = {
        "main.py": code + "\nraise SystemExit('this was run')\n",
        "a.py": "",
        "chain.py": "import a\n",
        "circle.py": "import circle, main\n",
        "p/__init__.py": "NAME = 1\n",
        "p/one.py": "from . import two\nfrom .two import x\nimport a\n",
        "p/two.py": "x = 1\n",
        "p/deep/three.py": "from ..two import x\n",
        "other.py": "import nowhere\n",
    }
    assert found(tmp_path, files, frozenset({"numpy"})) == needed


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import colour", "colour"),
        ("x = 1\nfrom colour.names import red", "colour.names"),
        ("import p.three", "p.three"),
        ("import a.b", "a.b"),
        ("from jobs.b import c", "jobs.b"),
    ],
)
def test_what_would_be_missing_on_lambda_is_told(code: str, name: str, tmp_path: Path) -> None:
    files = {"main.py": code, "a.py": "", "p/__init__.py": ""}
    line = code.count("\n") + 1
    with pytest.raises(
        DeployError, match=rf"jobs/main\.py:{line}: imports {name}, which Lambda would not find"
    ):
        found(tmp_path, files)


def test_a_library_is_missed_only_once_the_libraries_are_known(tmp_path: Path) -> None:
    assert found(tmp_path, {"main.py": "import numpy"}, None) == []
    with pytest.raises(
        DeployError, match=r"imports numpy, .*put numpy\.py beside the job file, or list the package"
    ):
        found(tmp_path, {"main.py": "import numpy"})


def test_a_library_hides_a_file_of_its_name(tmp_path: Path) -> None:
    """As it does on Lambda, where the folder of the jobs is searched last."""
    files = {"main.py": "import yaml, types", "yaml.py": "", "types.py": ""}
    assert found(tmp_path, files, frozenset({"yaml"})) == []


def test_a_helper_that_is_no_python_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"jobs/a\.py: cannot be read as Python"):
        found(tmp_path, {"main.py": "import a", "a.py": "def\n"})


# ------------------------------------------------------------------ the zip


def with_everything(checkout: Project, files: str = "words.txt, data/more.txt") -> None:
    root = checkout.root
    write(
        root,
        {
            "jobs/helper.py": "import colours.red\n",
            "jobs/colours/__init__.py": "",
            "jobs/colours/red.py": "",
            "jobs/colours/.env": "TOKEN=x",
            "jobs/words.txt": "a",
            "jobs/data/more.txt": "b",
            "jobs/data/none_of_it.txt": "c",
            "sluice.yml": "max_attempts: 2\n",
            # None of these may leave the machine.
            ".env": "TOKEN=x", "id_rsa": KEY, ".git/config": "", "chalicelib/.env": "TOKEN=x",
            "chalicelib/id_rsa": KEY, "chalicelib/.git/hooks/post.py": "", "chalicelib/notes.txt": "",
            "jobs/.env": "TOKEN=x", "jobs/id_rsa": KEY, "jobs/.git/config": "", "jobs/__pycache__/tally.pyc": "",
            "jobs/secret.py": "PLAN = 'not to be told'\n", "vendor/id_rsa": KEY,
        },
    )  # fmt: skip
    write_job(root, "secret", "in-b", "secret:Secret")
    tally = root / "jobs/tally.py"
    tally.write_text("import helper\n" + tally.read_text())
    with (root / "jobs/tally.yml").open("a") as file:
        file.write(f"files: {files}\n")


def own(zipped: Path) -> set[str]:
    with zipfile.ZipFile(zipped) as archive:
        return {
            name for name in archive.namelist() if not name.startswith("chalice/") and name[-4:] != ".pyc"
        }


def test_the_zip_holds_what_the_job_needs_and_nothing_else(checkout: Project) -> None:
    with_everything(checkout)
    zipped = checkout.pack(load_target("tally", checkout, {}))
    assert own(zipped) == {
        "app.py", "sluice.yml", "jobs/tally.yml", "jobs/tally.py", "jobs/helper.py", "jobs/colours/__init__.py",
        "jobs/colours/red.py", "jobs/words.txt", "jobs/data/more.txt",
    }  # fmt: skip
    yml = checkout.root / "jobs/tally.yml"
    yml.write_text(f"{yml.read_text()}\nstages: {{prod: {{max_attempts: 2}}}}\n")
    (named,) = {parse(argv).name for argv in (["tally", "--stage", "prod"], ["tally-prod"])}
    staged = load_target(named, checkout, {})
    assert (staged.name, staged.spec.max_attempts) == ("tally-prod", 2)
    assert own(checkout.pack(staged)) == own(zipped), "its settings are in the job's own file"


def test_the_folder_that_chalice_reads_holds_no_more_either(checkout: Project) -> None:
    """Should Chalice not take our zip, it makes the same one of this folder."""
    with_everything(checkout)
    zipped = checkout.pack(load_target("tally", checkout, {}))
    folder = checkout.staging("tally")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    shipped = {name for name in there if not name.startswith((".chalice/", "jobs/"))}
    own_files = {name.removeprefix("vendor/") for name in shipped if name.startswith("vendor/")}
    assert own_files | {"app.py"} == own(zipped)
    assert shipped - {f"vendor/{name}" for name in own_files} == {"app.py", "requirements.txt", "sluice.yml"}
    assert zipped.parent == folder / ".chalice/deployments"


def test_the_same_files_make_the_same_zip(checkout: Project, tmp_path: Path) -> None:
    with_everything(checkout)
    job = load_target("tally", checkout, {})
    twin = Project(tmp_path / "twin")
    for path in sorted(
        checkout.root.rglob("*"), reverse=True
    ):  # made in another order, with other rights and times
        if path.is_file():
            copy = twin.root / path.relative_to(checkout.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            copy.chmod(0o600)
            os.utime(copy, (1_000_000_000, 1_000_000_000))
    assert checkout.pack(job).read_bytes() == twin.pack(job).read_bytes()


def test_everybody_may_read_what_is_in_the_zip(checkout: Project) -> None:
    """Lambda runs as a user of its own."""
    for path in checkout.root.rglob("*.py"):
        path.chmod(0o600)
    with zipfile.ZipFile(checkout.pack(load_target("tally", checkout, {}))) as archive:
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}


def test_secrets_are_not_shipped_even_if_they_are_listed(checkout: Project) -> None:
    with_everything(checkout, files="id_rsa")
    with pytest.raises(DeployError, match="files: id_rsa: is a private key"):
        checkout.pack(load_target("tally", checkout, {}))
    with (checkout.root / "jobs/tally.yml").open("a") as file:
        file.write("")
    (checkout.root / "jobs/tally.yml").write_text(
        (checkout.root / "jobs/tally.yml").read_text().replace("files: id_rsa", "files: .env")
    )
    with pytest.raises(DeployError, match=r"files: \.env: hidden files are not shipped"):
        checkout.pack(load_target("tally", checkout, {}))


def test_a_job_written_for_mrjob_brings_the_files_that_it_names(checkout: Project) -> None:
    jobs = checkout.root / "jobs"
    write(
        jobs,
        {
            "old.py": "from chalicelib.mrjob import MRJob\n\n\nclass Old(MRJob):\n    FILES = ['stop.txt#s.txt']\n\n"
            "    def configure_args(self):\n        super().configure_args()\n"
            "        self.add_file_arg('--more')\n\n"
            "    def mapper(self, _, line):\n        yield line, 1\n",
            "stop.txt": "", "more.txt": "", "third.txt": "", "not.txt": "",
        },
    )  # fmt: skip
    write_job(checkout.root, "old", "in-o", "old:Old")
    with (jobs / "old.yml").open("a") as file:
        file.write("params: {args: '--more more.txt --files third.txt'}\n")
    assert own(checkout.pack(load_target("old", checkout, {}))) == {
        "app.py", "jobs/old.yml", "jobs/old.py", "jobs/stop.txt", "jobs/more.txt", "jobs/third.txt",
    }  # fmt: skip


# ------------------------------------------------------------------ the bill of materials


def bill(checkout: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(checkout.write_bill("tally").read_text("utf-8"))
    return found


def test_the_bill_of_materials_lists_what_the_zip_holds(checkout: Project) -> None:
    with_everything(checkout)
    zipped = checkout.pack(load_target("tally", checkout, {}))
    found = bill(checkout)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    digest = hashlib.sha256(zipped.read_bytes()).digest()
    whole = found["metadata"]["component"]
    assert whole["name"] == "sluice-tally"
    assert whole["hashes"] == [{"alg": "SHA-256", "content": digest.hex()}]
    assert whole["properties"] == [
        {"name": "aws:lambda:CodeSha256", "value": base64.b64encode(digest).decode()}
    ]
    files = {one["name"]: one["hashes"][0]["content"] for one in found["components"] if one["type"] == "file"}
    with zipfile.ZipFile(zipped) as archive:
        assert files == {name: hashlib.sha256(archive.read(name)).hexdigest() for name in own(zipped)}
    assert {one["ref"] for one in found["dependencies"]} >= {one["bom-ref"] for one in found["components"]}


def test_the_bill_has_each_library_by_its_own_word(checkout: Project) -> None:
    job = load_target("tally", checkout, {})
    libraries = checkout._libraries(job)
    metadata = {
        "one": b"Name: One_Lib\nVersion: 1.2\nLicense-Expression: MIT\nSummary: does one thing\n\nLicense: no header\n",
        "two": b"Name: two\nVersion: 3\nLicense: all of it\n  over lines and lines and lines\n\n",
        "three": b"Name: three\nVersion: 3\nClassifier: A :: B\nClassifier: License :: OSI Approved :: MIT License\n\n",
        "four": b"Name: four\nVersion: 4\nLicense: somebody's own\n\n",
    }
    package.write_zip(libraries, [(f"{name}.dist-info/METADATA", text) for name, text in metadata.items()])
    checkout.pack(job)
    found = {one["name"]: one for one in bill(checkout)["components"] if one["type"] == "library"}
    assert set(found) == {"One_Lib", "two", "three", "four", "chalice"}
    assert (found["One_Lib"]["purl"], found["One_Lib"]["description"]) == (
        "pkg:pypi/one-lib@1.2",
        "does one thing",
    )
    assert found["One_Lib"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert found["four"]["licenses"] == [{"license": {"name": "somebody's own"}}]
    assert found["three"]["licenses"] == [{"license": {"name": "MIT License"}}]
    assert "licenses" not in found["two"]
    assert found["chalice"]["version"] == importlib.metadata.version("chalice")


def test_the_same_zip_has_the_same_bill_but_for_the_time(checkout: Project) -> None:
    job = load_target("tally", checkout, {})
    bills = []
    for _ in range(2):
        checkout.pack(job)
        bills.append(bill(checkout))
        bills[-1]["metadata"].pop("timestamp")
    assert bills[0] == bills[1]
    (checkout.root / "jobs/tally.py").write_text("# changed\n")
    checkout.pack(job)
    assert bill(checkout)["serialNumber"] != bills[0]["serialNumber"]


def test_a_deployment_that_does_not_write_one_does_not_load_what_writes_it() -> None:
    code = "import sys, scripts.deploy; sys.exit('cyclonedx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
