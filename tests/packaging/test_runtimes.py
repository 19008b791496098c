"""Zips for each Python and processor that Lambda has: every compiled file fits, and the job is imported from it.

They are built by the real pip from the real lists, for machines that this one need not be. Where an interpreter of that
version is found, it compiles the modules and imports the job; the others' files are looked at.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from packaging.tags import Tag, parse_tag
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from chalicelib.core.deployment_spec import DEFAULT_PYTHON, Python
from scripts.deployment import libraries, trial
from scripts.deployment import runtime as runtimes
from scripts.deployment.chalice_cli import chalice
from scripts.deployment.load import load_target
from scripts.deployment.policies import policies
from scripts.deployment.project import ROOT, Project
from scripts.deployment.requirements import lists
from scripts.deployment.runtime import HERE, Runtime
from scripts.deployment.stage import stage_config

pytestmark = pytest.mark.slow

JOB = "wordcount"
#: Amazon Linux 2023's, and what wheels call Lambda's processors.
GLIBC = (2, 34)
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
#: 3.11 is what tests/packaging/test_package.py builds.
LATER = [one for one in get_args(Python) if one != "3.11"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("runtimes") / "checkout"
    root.mkdir()
    return Project(ROOT).copy_to(root)


def fits(tag: Tag, runtime: Runtime) -> bool:
    """Whether Lambda can load what a wheel with this tag brings. By PEP 425 and 600, not by pip."""
    if tag.platform == "any":
        return tag.interpreter in ("py3", "py2.py3", runtime.abi) and tag.abi == "none"
    found = re.fullmatch(r"manylinux_(\d+)_(\d+)_(\w+)", tag.platform)
    if not found or (int(found[1]), int(found[2])) > GLIBC or found[3] != MACHINES[runtime.architecture]:
        return False
    since = re.fullmatch(r"cp3(\d+)", tag.interpreter)
    stable = tag.abi == "abi3" and since is not None and int(since[1]) <= Version(runtime.python).minor
    return stable or (tag.interpreter == tag.abi == runtime.abi)


def looked_at(zipped: Path, runtime: Runtime) -> set[str]:
    """The packages of a zip that have compiled files, all of which fit."""
    with zipfile.ZipFile(zipped) as archive:
        names = archive.namelist()
        for name in names:
            if name.endswith(".dist-info/WHEEL"):
                text = archive.read(name).decode()
                tags = {
                    tag for line in re.findall(r"^Tag: (\S+)", text, re.MULTILINE) for tag in parse_tag(line)
                }
                assert any(fits(tag, runtime) for tag in tags), (name, tags)
        compiled = [info for info in archive.infolist() if ".so" in info.filename]
        assert [why for info in compiled for why in trial.misfits(info, runtime, archive)] == []
    for info in compiled:
        machine = f"{MACHINES[runtime.architecture]}-linux-gnu"
        assert info.filename.endswith((f".{runtime.cache_tag}-{machine}.so", ".abi3.so")), info.filename
    modules = {name for name in names if name.endswith(".pyc")}
    expected = {name for name in names if name.endswith(".py")} if runtime.interpreter else set()
    made = {importlib.util.source_from_cache(name) for name in modules}
    assert made == expected or (runtime.python == "3.14" and made < expected)
    assert all(name.endswith(f".{runtime.cache_tag}.pyc") for name in modules)
    return {info.filename.partition("/")[0] for info in compiled}


@pytest.mark.parametrize("architecture", MACHINES)
@pytest.mark.parametrize("python", LATER)
def test_every_file_of_the_zip_is_for_lambdas_python_and_processor(
    python: str,
    architecture: str,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    tell: Callable[[str], None],
) -> None:
    if architecture == "arm64":  # compiled modules are the same for every processor: made once, to be quick
        monkeypatch.setattr(runtimes, "find_python", lambda _: None)
    target = load_target(JOB, project, {"SLUICE_PYTHON": python, "SLUICE_ARCHITECTURE": architecture})
    zipped = project.pack(target)
    packages = {"msgspec", "yaml"} if python == "3.14" else {"msgspec", "yaml", "backports"}
    assert looked_at(zipped, target.runtime) == packages
    trial.try_out(zipped, target)
    if target.runtime.can_run:
        tell(f"imported from its zip by {python}: {JOB}")


def test_duckdb_is_there_for_all_of_them(project: Project, tmp_path: Path) -> None:
    """Its newest: it keeps to Python's stable interface, so one file is for all later Pythons."""
    target = load_target("tpch_q6_sql", project, {"SLUICE_PYTHON": "3.14", "SLUICE_ARCHITECTURE": "arm64"})
    listed = lists(project.root, target.spec)[1]
    path = tmp_path / "list.txt"
    path.write_text(listed)
    builder = libraries.builder(listed, tmp_path, target.runtime)
    wheels, missing = builder._download_dependencies(target.runtime.abi, str(tmp_path), str(path))
    (wheel,) = wheels
    assert not missing
    name, version, _, tags = parse_wheel_filename(wheel.filename)
    assert (name, str(version)) == ("duckdb", "2.0.0")
    for python in LATER:
        assert any(fits(tag, Runtime(python, "arm64")) for tag in tags)
    assert not any(fits(tag, Runtime("3.11", "arm64")) for tag in tags)


def test_a_plain_chalice_takes_the_jobs_python_and_not_its_own(project: Project, tmp_path: Path) -> None:
    """`chalice package` stops before it deploys, and is otherwise the same as `chalice deploy`."""
    python = next(one for one in (DEFAULT_PYTHON, "3.12") if one != HERE)
    target = load_target(JOB, project, {"SLUICE_PYTHON": python})
    stage = stage_config(target)
    del stage["log_retention_in_days"]  # `chalice package` knows no log groups, `chalice deploy` does
    project.write_stage(JOB, stage, policies(target))
    project.link_defaults()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ["AWS_DEFAULT_REGION"] = "us-east-1"
    chalice("package", JOB, project.root, environ, "--pkg-format", "terraform", str(tmp_path))
    document = json.loads((tmp_path / "chalice.tf.json").read_text())
    functions = document["resource"]["aws_lambda_function"].values()
    assert {function["runtime"] for function in functions} == {f"python{python}"}
    with zipfile.ZipFile(tmp_path / "deployment.zip") as archive:
        compiled = [info for info in archive.infolist() if ".so" in info.filename]
        assert {info.filename.partition("/")[0] for info in compiled} == {"msgspec", "yaml", "backports"}
        assert [why for info in compiled for why in trial.misfits(info, target.runtime, archive)] == []
        assert f"jobs/{JOB}.py" in archive.namelist()
