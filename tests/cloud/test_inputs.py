"""Two inputs, one of them Parquet, into folders of compressed csv, through the real deployment."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.cloud.harness import IN, Cloud

pytestmark = pytest.mark.cloud

CUSTOMERS = "".join(f"{n},name {n},{('DE', 'NO', 'a/b')[n % 3]}\n" for n in range(300))
ORDERS = "SELECT i AS id, i * 7 % 300 AS customer, ((i % 90) * 1.5)::DECIMAL(9, 2) AS price FROM range(10000) made(i)"


def watched(cloud: Cloud) -> list[str]:
    """The prefixes of which the coordinator of `ledger` is told."""
    rules: list[dict[str, Any]] = cloud.s3.get_bucket_notification_configuration(Bucket=IN)[
        "LambdaFunctionConfigurations"
    ]
    ours = [rule for rule in rules if rule["LambdaFunctionArn"].endswith("ledger-coordinator")]
    return sorted(rule["Filter"]["Key"]["FilterRules"][0]["Value"] for rule in ours)


def test_a_marker_of_one_input_runs_over_all(checkout: Cloud, tmp_path: Path) -> None:
    checkout.script("deploy", "ledger", check=True)
    checkout.script("deploy", "ledger", check=True)  # again, over the rules that are there
    assert watched(checkout) == ["ledger/customers/", "ledger/orders/"]

    path = tmp_path / "orders.parquet"
    with duckdb.connect() as database:
        database.execute(f"COPY ({ORDERS}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
        wanted = dict(
            database.execute(f"SELECT customer, sum(price) FROM ({ORDERS}) GROUP BY ALL").fetchall()
        )
    checkout.put(IN, "ledger/orders/a.parquet", path.read_bytes())
    checkout.put(IN, "ledger/customers/a.csv", f"id,name,country\n{CUSTOMERS}".encode())
    source = checkout.put(IN, "ledger/orders/_READY")
    (run,) = checkout.wait("ledger", [source]).values()
    assert run.succeeded, run.failure

    found = {}
    folders = set()
    for name, body in run.files.items():
        if "=" not in name:
            continue
        folder, _, part = name.partition("/")
        folders.add(folder)
        assert part.startswith("part-")
        assert part.endswith(".csv.gz")
        for row in csv.DictReader(io.StringIO(gzip.decompress(body).decode(), newline="")):
            assert folder == f"country={row['country'].replace('/', '%2F')}"
            found[int(row["key"])] = (row["name"], row["country"], row["total"])
    assert folders == {"country=DE", "country=NO", "country=a%2Fb"}
    names = {n: (f"name {n}", ("DE", "NO", "a/b")[n % 3]) for n in range(300)}
    assert found == {n: (*names[n], str(wanted[n])) for n in range(300)}
    assert run.manifest["records"] == 300
    assert run.manifest["map_tasks"] > 2
