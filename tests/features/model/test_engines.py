"""One job with all of it, the same on the command line, in the simulated cloud and in `run_job`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.config.load import load_job
from chalicelib.core.ports import Loc
from chalicelib.job.load_class import job_loader
from chalicelib.mapreduce.output.text import tsv
from chalicelib.testing import run_job
from tests.worlds.simulation import OUT, Simulation

ROOT = Path(__file__).resolve().parents[3]
JOBS = ROOT / "tests" / "jobs"
USERS = [f"u{number % 40},name{number}" for number in range(60)] + ["nobody,none"]
VISITS = [f"u{number * 7 % 50}\t/{'robots.txt' if number % 9 == 0 else number % 13}" for number in range(700)]


def oracle() -> tuple[bytes, dict[str, int]]:
    """The rows and counters, by hand."""
    users = [line.split(",") for line in USERS]
    visits = [line.split("\t") for line in VISITS]
    kept = [visit for visit in visits if visit[1] != "/robots.txt"]
    rows = []
    for key in sorted({key for key, _ in users + kept} - {"nobody"}):
        names = [name for user, name in users if user == key] or [""]
        pages = [page for user, page in kept if user == key] or [""]
        rows.append((key, sorted([name, page] for name in names for page in pages)))
    counters = Counter(users=len(users), visits=len(kept)) + Counter({"left out": len(visits) - len(kept)})
    # The second step counts every group, also the one that `having` leaves out.
    counters["users"] += len(rows) + 1
    return tsv([key for key, _ in rows], [value for _, value in rows]), dict(counters)


@pytest.mark.parametrize("split_size", [700, 1 << 20])
def test_run_job(split_size: int) -> None:
    cls = job_loader(JOBS)("visits:Visits")
    counters: dict[str, int] = {}
    found = run_job(
        cls,
        {"users": USERS, "visits": VISITS},
        input={"users": {"format": "csv"}, "visits": {"format": "tsv"}},
        files={"left_out.txt": JOBS / "left_out.txt"},
        split_size=split_size,
        counters=counters,
    )
    assert (tsv([key for key, _ in found], [value for _, value in found]), counters) == oracle()


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("split_size", [700, 1 << 20])
def test_the_simulated_cloud(split_size: int, seed: int | None, tmp_path: Path) -> None:
    loaded = load_job(JOBS / "visits.yml", root=ROOT, environ={}, require_cloud=False).spec
    users, visits = (replace(given, url=f"s3://in/data/{given.tag}/") for given in loaded.inputs)
    spec = replace(
        loaded,
        input=users,
        more_inputs=(visits,),
        work=replace(loaded.work, url="s3://work/"),
        output=replace(loaded.output, url="s3://out/"),
        trigger="marker",
        split_size=split_size,
    )
    world = Simulation(
        job_loader(JOBS)(spec.job),
        spec,
        tmp_path,
        seed=seed,
        duplicates=seed is not None,
        kill_at=(50, 100, 170) if seed else (),
    )
    world.add("users/a.csv", "\n".join(USERS).encode())
    world.add("visits/a.tsv", "\n".join(VISITS).encode())
    world.drop("all.manifest", b"data/users/\ndata/visits/\n")
    world.run()
    manifest = json.loads(world.output()["_manifest.json"])
    assert (world.text(), manifest["counters"]) == oracle()
    assert [info.key for info in world.memory.list(Loc(OUT.bucket, "")) if info.key.endswith("_SUCCESS")]


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("\n".join(USERS))
    (tmp_path / "visits.tsv").write_text("\n".join(VISITS))
    told = subprocess.run(
        [
            *(sys.executable, ROOT / "scripts" / "run.py", JOBS / "visits.yml"),
            *(f"users={tmp_path / 'users.csv'}", f"visits={tmp_path / 'visits.tsv'}"),
            *("--output", tmp_path / "out", "--workers", "2", "--set", "split_size=3000"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows, counters = oracle()
    assert b"".join(path.read_bytes() for path in sorted((tmp_path / "out").glob("part-*"))) == rows
    for name, total in counters.items():
        assert f"  {name}: {total:,}\n" in told


def test_the_command_line_names_a_missing_side_file(tmp_path: Path) -> None:
    for name in ("a.csv", "b.tsv"):
        (tmp_path / name).write_text("x")
    refused = subprocess.run(
        [
            *(sys.executable, ROOT / "scripts" / "run.py", JOBS / "visits.yml"),
            *(f"users={tmp_path / 'a.csv'}", f"visits={tmp_path / 'b.tsv'}"),
            *("--output", tmp_path / "out", "--set", "files=other.txt"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert "files: other.txt: no such file in" in refused.stderr
    assert not (tmp_path / "out").exists()
