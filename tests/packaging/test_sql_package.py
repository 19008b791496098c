"""A job in SQL ships DuckDB; its zip fits, and DuckDB works under the oldest C library it may meet."""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.deployment.load import load_target
from scripts.deployment.project import ROOT, Project
from scripts.deployment.runtime import HERE

JOB = "tpch_q6_sql"
MAX_ZIP = 50_000_000
MAX_UNPACKED = 250_000_000
#: What Amazon Linux 2, on which Lambda runs Python 3.11, has; and Amazon Linux 2023, for later ones.
GLIBC = {"cp310": 26, "cp311": 26}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip that `chalice deploy` uploads for a job in SQL."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "checkout").mkdir()
    project = Project(ROOT).copy_to(folder / "checkout")
    return project.pack(load_target(JOB, project, {"SLUICE_PYTHON": HERE}))


def test_the_zip_has_duckdb_and_fits(package: Path, tell: Callable[[str], None]) -> None:
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
        unpacked = sum(info.file_size for info in archive.infolist())
    size = package.stat().st_size
    tell(f"zip with DuckDB: {size / 1e6:.1f} MB, unpacked {unpacked / 1e6:.1f} MB")
    assert "duckdb/__init__.py" in names
    assert {f"jobs/{JOB}.yml", "chalicelib/mapreduce/sql/map.py", "app.py"} <= names
    assert size < MAX_ZIP
    assert unpacked < MAX_UNPACKED


def test_duckdb_is_built_for_lambdas_c_library(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        (wheel,) = (n for n in archive.namelist() if re.match(r"duckdb-.*\.dist-info/WHEEL$", n))
        text = archive.read(wheel).decode()
    tags = re.findall(r"^Tag: (cp\d+)-\w+-manylinux_2_(\d+)_x86_64", text, re.MULTILINE)
    assert tags
    assert min(int(minor) for _, minor in tags) <= GLIBC.get(tags[0][0], 34)


def test_the_zip_runs_queries_beside_nothing_but_lambdas_own_libraries(package: Path, tmp_path: Path) -> None:
    python = ROOT / ".venv-lambda" / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{python} is missing: run `make setup`")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "task")
    code = f"""
from pathlib import Path
from chalicelib.config.load import load_job
from chalicelib.mapreduce.input import duckdb
from chalicelib.mapreduce.sql import prepare
job = load_job({JOB!r}, root=Path("."), require_cloud=True)
prepare.check(job.name, job.spec, Path({str(tmp_path)!r}))
print(duckdb.version())
"""
    command = [python, "-c", code]
    done = subprocess.run(command, cwd=tmp_path / "task", check=True, capture_output=True, text=True)
    assert f"duckdb=={done.stdout.strip()} " in (ROOT / "requirements-sql.txt").read_text()


def test_other_jobs_have_other_requirements() -> None:
    project = Project(ROOT)
    sql, python = (load_target(name, project, {}).spec for name in (JOB, "wordcount"))
    plain, wanted = project.requirements(python), project.requirements(sql)
    assert "duckdb" not in plain
    assert "\nduckdb==" in wanted
    assert plain in wanted
