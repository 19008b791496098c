"""Two inputs, one of them Parquet, into folders of compressed csv, through the real deployment.

In one bucket, of which S3's own rules tell; then in two, by way of EventBridge.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.cloud.harness import IN, WORK, Cloud, Run

pytestmark = pytest.mark.cloud

ORDERED = "sluice-demo-orders"
CUSTOMERS = "".join(f"{n},name {n},{('DE', 'NO', 'a/b')[n % 3]}\n" for n in range(300))
ORDERS = """
    SELECT i AS id, i * 7 % 300 AS customer, ((i % 90) * 1.5)::DECIMAL(9, 2) AS price,
        DATE '2024-02-26' + (i % 11)::INTEGER AS day
    FROM range(10000) made(i)
"""


def watched(cloud: Cloud) -> list[str]:
    """The prefixes of which the coordinator of `ledger` is told."""
    found = cloud.s3.get_bucket_notification_configuration(Bucket=IN)
    rules: list[dict[str, Any]] = found.get("LambdaFunctionConfigurations", [])
    ours = [rule for rule in rules if rule["LambdaFunctionArn"].endswith("ledger-coordinator")]
    return sorted(rule["Filter"]["Key"]["FilterRules"][0]["Value"] for rule in ours)


def test_a_marker_of_one_input_runs_over_all(checkout: Cloud, tmp_path: Path) -> None:
    checkout.script("deploy", "ledger", check=True)
    assert watched(checkout) == ["ledger/customers/", "ledger/orders/"]
    config = checkout.root / "jobs" / "ledger.yml"
    text = config.read_text().replace(f"s3://{IN}/ledger/orders/", f"s3://{ORDERED}/ledger/")
    config.write_text(f"{text}events: eventbridge\n")
    checkout.script("deploy", "ledger", check=True)  # over the rules that are there
    assert watched(checkout) == []

    path = tmp_path / "orders.parquet"
    with duckdb.connect() as database:
        database.execute(f"COPY ({ORDERS}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
        wanted = database.execute(
            f"SELECT customer, sum(price), max(day), list(DISTINCT day ORDER BY day) FROM ({ORDERS}) GROUP BY ALL"
        ).fetchall()
    checkout.put(ORDERED, "ledger/a.parquet", path.read_bytes())
    checkout.put(IN, "ledger/a.parquet", b"a prefix of the other bucket")
    checkout.put(IN, "ledger/customers/a.csv", f"id,name,country\n{CUSTOMERS}".encode())
    for bucket, key in ((IN, "ledger/_READY"), (ORDERED, "_READY")):
        checkout.put(bucket, key)  # of no input
    source = checkout.put(ORDERED, "ledger/_READY")
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
            found[int(row["key"])] = (
                row["name"],
                row["country"],
                row["total"],
                row["last"],
                row["days"],
            )
    assert folders == {"country=DE", "country=NO", "country=a%2Fb"}
    names = {n: (f"name {n}", ("DE", "NO", "a/b")[n % 3]) for n in range(300)}
    assert found == {
        n: (
            *names[n],
            str(total),
            last.isoformat(),
            json.dumps([str(day) for day in days], separators=(",", ":")),
        )
        for n, total, last, days in wanted
    }
    assert len(checkout.runs("ledger")) == 1
    assert run.manifest["records"] == 300
    assert run.manifest["map_tasks"] > 2


def names_in(run: Run) -> dict[str, str]:
    """The names in a run's results, by key."""
    bodies = [gzip.decompress(body).decode() for name, body in run.files.items() if "=" in name]
    rows = [row for body in bodies for row in csv.DictReader(io.StringIO(body, newline=""))]
    return {row["key"]: row["name"] for row in rows}


def test_a_record_and_a_group_that_kill_their_functions_are_set_aside(checkout: Cloud) -> None:
    """In the deployment of the test above: each kills three deliveries, then is looked for by the next attempt."""
    names = ["fine", "!kill the mapper", "also fine", "!kill the reducer", "fine as well"]
    rows = [f"{number},{name},NO\n" for number, name in enumerate(names)]
    head = "id,name,country\n"
    place = checkout.put(IN, "ledger/customers/deadly/a.csv", (head + "".join(rows)).encode())
    source = checkout.put(IN, "ledger/customers/deadly.manifest", place.encode())
    # Here the mapper, which is to bring the run to its end, dies behind its own marker.
    other = checkout.put(IN, "ledger/customers/deadly group/a.csv", (head + rows[0] + rows[3]).encode())
    beside = checkout.put(IN, "ledger/customers/deadly group.manifest", other.encode())
    ended = checkout.wait("ledger", [source, beside])
    run, small = ended[source], ended[beside]
    assert (run.succeeded, small.succeeded) == (True, True), (run.files, small.files)

    assert names_in(run) == {"0": "fine", "2": "also fine", "4": "fine as well"}
    assert (names_in(small), small.manifest["bad"]) == ({"0": "fine"}, 1)
    lists = [checkout.get(WORK, key).decode() for key in run.manifest["quarantine"]]
    told = [json.loads(line) for one in lists for line in one.splitlines()]
    record, group = sorted(told, key=lambda one: str(one["phase"]))
    assert (record["phase"], record["source"], record["offset"]) == ("map", place, len(head + rows[0]))
    assert "this record ends the process that maps it (exit code 7)" in record["error"]
    assert (group["phase"], group["source"]) == ("reduce", "'3'")
    assert "this group ends the process that reduces it (exit code 8)" in group["error"]
    attempts = checkout.listing(WORK, f"runs/ledger/{run.run}/")
    failed = sorted(key.rpartition("/")[2] for key in attempts if key.endswith(".failed"))
    assert failed == ["00000.0.failed", "000000.0.failed"], "the attempts that left no word, and no others"
