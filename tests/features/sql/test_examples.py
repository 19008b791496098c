"""The examples in jobs/, run by the local engine as a user would, against the queries of TPC-H as they are written."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from chalicelib.config.load import load_job

ROOT = Path(__file__).resolve().parents[3]
Q1 = """
    SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),
           sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)),
           avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
    FROM lineitem WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL 90 DAY
    GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"""
#: Columns of Q1.
AVERAGES = slice(6, 9)
Q6 = """
    SELECT sum(l_extendedprice * l_discount) FROM lineitem
    WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1994-01-01' + INTERVAL 1 YEAR
      AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND l_quantity < 24"""


@pytest.fixture(scope="module")
def lineitem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows such as dbgen's."""
    chance = random.Random(3)

    def day() -> str:
        return f"{chance.randint(1992, 1998)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"

    path = tmp_path_factory.mktemp("tpch") / "lineitem.tbl"
    with path.open("w") as file:
        for number in range(8000):
            money = [
                Decimal(chance.randint(1, 50)), Decimal(chance.randint(90_000, 10_000_000)).scaleb(-2),
                Decimal(chance.randint(0, 10)).scaleb(-2), Decimal(chance.randint(0, 8)).scaleb(-2),
            ]  # fmt: skip
            cells = [number, 1, 2, 3, *money, chance.choice("ANR"), chance.choice("FO"), day(), day(), day()]
            file.write("|".join(map(str, [*cells, "NONE", "MAIL", 'a "comment"', ""])) + "\n")
    return path


def exact(row: Sequence[str]) -> list[str]:
    """Letters, sums and counts: everything but averages, whose last digit depends on how DuckDB divides."""
    return [*row[: AVERAGES.start], *row[AVERAGES.stop :]]


def expected(query: str, lineitem: Path) -> list[tuple[str, ...]]:
    database = duckdb.connect()
    columns = load_job("tpch_q1_sql", root=ROOT, require_cloud=False).spec.input.columns
    database.execute(f"CREATE TABLE lineitem ({columns})")
    texts = {f"c{number}": "VARCHAR" for number in range(17)}
    rows = database.read_csv(str(lineitem), sep="|", header=False, quotechar="", columns=texts)
    rows.insert_into("lineitem")
    return [tuple(map(str, row)) for row in database.execute(query).fetchall()]


@pytest.mark.parametrize(("job", "query"), [("tpch_q1_sql", Q1), ("tpch_q6_sql", Q6)])
@pytest.mark.parametrize("split_size", ["30KiB", "1MiB"])
def test_an_example_gives_the_answer(
    job: str, query: str, split_size: str, lineitem: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "scripts/run.py", job, str(lineitem), "--output", str(tmp_path / "out")]
    options = ["--workers", "2", "--set", f"split_size={split_size}"]
    done = subprocess.run([*command, *options], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    assert (tmp_path / "out" / "_SUCCESS").exists()
    (part,) = (tmp_path / "out").glob("part-*.csv")
    found, wanted = [line.split(",") for line in part.read_text().splitlines()], expected(query, lineitem)
    assert [exact(row) for row in found] == [exact(row) for row in wanted]
    averages = [[float(cell) for cell in row[AVERAGES]] for row in wanted]
    assert [[float(cell) for cell in row[AVERAGES]] for row in found] == [
        pytest.approx(row) for row in averages
    ]


def test_a_bad_query_is_told_before_anything_is_written(tmp_path: Path, lineitem: Path) -> None:
    command = [
        sys.executable,
        "scripts/run.py",
        "tpch_q6_sql",
        str(lineitem),
        "--output",
        str(tmp_path / "out"),
    ]
    options = ["--set", "sql.reduce=SELECT sum(revenu) FROM shuffled"]
    done = subprocess.run([*command, *options], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert 'job tpch_q6_sql: sql.reduce: Binder Error: Referenced column "revenu" not found' in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_example_of_the_manual_runs(tmp_path: Path, lineitem: Path) -> None:
    """As it stands there, over the three columns it names."""
    text = (ROOT / "docs" / "sql.md").read_text()
    (tmp_path / "manual.yml").write_text(text.split("```yaml\n", 1)[1].split("```", 1)[0])
    rows = [line.split("|") for line in lineitem.read_text().splitlines()]
    (tmp_path / "input.tbl").write_text("".join(f"{row[8]}|{row[4]}|{row[10]}\n" for row in rows))
    command = [sys.executable, "scripts/run.py", str(tmp_path / "manual.yml"), str(tmp_path / "input.tbl")]
    subprocess.run([*command, "--output", str(tmp_path / "out")], cwd=ROOT, check=True, capture_output=True)
    found = [
        line.split(",")
        for part in sorted((tmp_path / "out").glob("part-*.csv"))
        for line in part.read_text().splitlines()
    ]
    quantities: dict[str, list[Decimal]] = {}
    for row in rows:
        if row[10] <= "1998-09-02":
            quantities.setdefault(row[8], []).append(Decimal(row[4]))
    assert {flag: Decimal(total) for flag, total, _ in found} == {
        flag: sum(some) for flag, some in quantities.items()
    }
    averages = {flag: float(sum(some)) / len(some) for flag, some in quantities.items()}
    assert {flag: float(average) for flag, _, average in found} == pytest.approx(averages)
