"""`scripts/cost.py`: histories with known bills."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from msgspec.structs import replace

from chalicelib.core.errors import UserError
from chalicelib.core.keys import OutputKeys
from chalicelib.core.messages import Stats, Wasted, encode
from chalicelib.core.outcome import Manifest, Verdict
from chalicelib.core.plan_file import compose, read_head
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Failure
from chalicelib.run.status.collect import collect
from chalicelib.run.status.price_list import Prices
from scripts import cost
from scripts.costing.read import AHEAD, read_costs
from scripts.runs.places import Place
from scripts.runs.world import World
from tests.unit.scripts.user import (
    ROOT,
    T0,
    User,
    begin,
    finish,
    local_run,
    results,
    run_keys,
    run_script,
)

#: T0 is 2026-11-21, 03:44.
DAY = 86_400.0
MORNING, NIGHT = "20261121T030000-000000000001", "20261120T230000-000000000002"
OLD, ANCIENT = "20261101T000000-000000000003", "20260101T000000-000000000004"

#: What is typed here is what AWS says of us-east-1, and of nothing else.
GB_SECOND, REQUEST, PUT, LIST, GET = 0.0000166667, 0.20e-6, 0.005e-3, 0.005e-3, 0.0004e-3


def run(user: User, *argv: str, **environ: str) -> str:
    user.out.truncate(0)
    user.out.seek(0)
    world = World(
        root=user.root, environ=environ, screen=user.screen(), clock=user.clock,
        open_store=lambda work, runs: user.store,
    )  # fmt: skip
    assert cost.main(argv, world) == 0
    return user.out.getvalue()


def document(user: User, *argv: str, **environ: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(user, *argv, "--json", **environ))
    return found


def put(user: User, run: str, job: str = "wordcount", **figures: Any) -> None:
    """A manifest beside the results, and nothing in the work place."""
    told: dict[str, Any] = {
        "job": job, "run": run, "outcome": "success", "map_tasks": 10, "reduce_tasks": 2, "input_bytes": 2_000_000_000,
        "mapped": Stats(seconds=100.0, init=2.0, gets=30, puts=20, lists=1, memory=4096),
        "reduced": Stats(seconds=50.0, gets=20, puts=4, memory=1024), "started": T0 - 3600, "finished": T0 - 3540,
    }  # fmt: skip
    manifest = Manifest(**{**told, **figures})
    place = OutputKeys(results(run, job))
    user.store.put(place.manifest, encode(manifest))
    user.store.put(place.success if manifest.outcome == "success" else place.failure, b"")


def whole_run() -> float:
    """The bill of such a run, by hand: memory as the functions told; the job file says nothing of supervisor (512 MB)
    and coordinator (512), which are as by default."""
    events = 10 + 2 + 2
    time = 102 * 4 + 50 * 1 + (60 + events * 0.05) * 0.5 + 1 * 0.5
    lambda_requests = 1 + 10 + 2 + events
    puts, gets, lists = 24 + 8, 50 + 2 * events, 1 + 1 + 60 / 5
    return time * GB_SECOND + lambda_requests * REQUEST + puts * PUT + lists * LIST + gets * GET


def failed_run() -> float:
    """Three attempts of 4 s at one of 3 tasks: what the other tasks used nobody wrote down."""
    events = 3 + 3 + 2
    time = 3 * 4.0 * 2 + (30 + events * 0.05) * 0.5 + 1 * 0.5
    lambda_requests = 1 + 3 + 3 + events
    return (
        time * GB_SECOND + lambda_requests * REQUEST + (8 + 3) * PUT + (1 + 30 / 5) * LIST + 2 * events * GET
    )


def put_failed(user: User, run: str, job: str) -> None:
    wasted = Wasted(attempts=3, stats=Stats(seconds=12.0, puts=3), lost=0)
    put(
        user, run, job, outcome="failed", map_tasks=3, reduce_tasks=0, mapped=Stats(), reduced=Stats(),
        map_wasted=wasted, started=T0 - DAY, finished=T0 - DAY + 30,
    )  # fmt: skip


def test_a_history_of_known_bills_is_exact(user: User) -> None:
    user.job("wordcount")
    user.job("sales")
    put(user, MORNING)
    put(user, NIGHT, started=T0 - DAY / 4)
    put(user, OLD, started=T0 - 20 * DAY, finished=T0 - 20 * DAY + 60)
    put(user, ANCIENT, started=T0 - 324 * DAY)
    put(user, NIGHT, "sales", started=T0 - DAY / 4, finished=T0 - DAY / 4 + 60)
    put_failed(user, NIGHT, "sales")
    put(user, MORNING, "sales", input_bytes=500_000_000)
    # NIGHT's run of wordcount took a quarter of a day less an hour, for which a supervisor is taken to have been there.
    long = whole_run() + (T0 - 3540 - (T0 - DAY / 4) - 60) * (0.5 * GB_SECOND + LIST / 5)
    one, bad = whole_run(), failed_run()
    shown = [line.split() for line in run(user).splitlines()]
    total = 3 * one + long + bad
    assert shown[:-1] == [
        ["day", "job", "runs", "failed", "GB", "dollars", "a", "GB"],
        ["2026-11-01", "wordcount", "1", "0", "2.000", f"{one:.4f}", f"{one / 2:.4f}"],
        ["2026-11-20", "sales", "1", "1", "0.000", f"{bad:.4f}"],
        ["2026-11-20", "wordcount", "1", "0", "2.000", f"{long:.4f}", f"{long / 2:.4f}"],
        ["2026-11-21", "sales", "1", "0", "0.500", f"{one:.4f}", f"{one / 0.5:.4f}"],
        ["2026-11-21", "wordcount", "1", "0", "2.000", f"{one:.4f}", f"{one / 2:.4f}"],
        ["all", "days", "sales", "2", "1", "0.500", f"{one + bad:.4f}", f"{(one + bad) / 0.5:.4f}"],
        [
            "all",
            "days",
            "wordcount",
            "3",
            "0",
            "6.000",
            f"{2 * one + long:.4f}",
            f"{(2 * one + long) / 6:.4f}",
        ],
        ["total", "5", "1", "6.500", f"{total:.4f}", f"{total / 6.5:.4f}"],
    ]
    assert " ".join(shown[-1]).endswith("list prices of us-east-1: no region is known")
    found = document(user)
    assert found["total"]["dollars"] == pytest.approx(total, rel=1e-12)
    assert sum(found["total"]["dollars_by_part"].values()) == pytest.approx(total, rel=1e-12)
    assert sum(day["dollars"] for day in found["days"]) == pytest.approx(total, rel=1e-12)
    assert (found["total"]["runs"], found["total"]["failed"], found["errors"]) == (5, 1, [])


def test_since_job_and_region_choose(user: User) -> None:
    user.job("wordcount")
    put(user, MORNING)
    put(user, OLD, started=T0 - 20 * DAY, finished=T0 - 20 * DAY + 60)
    assert document(user, "wordcount", "--since", "7d")["total"]["runs"] == 1
    assert document(user, "wordcount", "--since", "400d")["total"]["runs"] == 2
    assert run(user, "wordcount", "--since", "60s") == "no runs in the last 60s\n"
    here = document(user, "wordcount", "--since", "7d")["total"]["dollars_by_part"]
    there = document(user, "wordcount", "--since", "7d", "--region", "sa-east-1", AWS_REGION="eu-west-1")
    # In São Paulo a PUT or LIST costs 0.007 a thousand, a GET 0.00056; Lambda the same.
    more = (32 + 14) * 0.002e-3 + 78 * 0.00016e-3
    parts = there["total"]["dollars_by_part"]
    assert parts["requests"] - here["requests"] == pytest.approx(more, rel=1e-9)
    assert parts["map"] == here["map"]
    assert (there["region"], there["cost_region"]) == ("sa-east-1", "sa-east-1")
    assert document(user, "wordcount", AWS_REGION="eu-west-1")["region"] == "eu-west-1"
    with pytest.raises(SystemExit):
        run(user, "--since", "soon")


def test_the_bill_of_a_run_whose_plan_is_there_is_that_of_status(user: User) -> None:
    """By the plan's own settings, whatever the job file says by now."""
    user.job("wordcount", more=", format: text")
    (keys, place) = run_keys(MORNING), results(MORNING)
    begin(user.store, keys, place)
    plan = read_head(user.store, keys)
    spec = replace(plan.spec, architecture="arm64", memory=replace(plan.spec.memory, mapper=512))
    user.store.put(keys.plan, compose(replace(plan, spec=spec), [])[1])
    finish(user.store, keys, place)
    put(user, MORNING, started=T0, finished=T0 + 60, mapped=Stats(seconds=1000.0, gets=7))
    status = collect(user.store, keys, now=T0 + 99, output=place)
    assert status.cost_parts is not None
    assert status.cost_parts.map == pytest.approx(1000 * 0.5 * 0.0000133334)
    found = document(user, "wordcount")["total"]
    assert found["dollars"] == pytest.approx(status.cost, rel=1e-12)
    assert found["dollars_by_part"]["map"] == status.cost_parts.map


@pytest.mark.parametrize(("reducer", "supervised"), [(2048, False), (4096, True)])
def test_a_run_of_one_task_is_taken_for_one_that_nobody_supervised(
    user: User, reducer: int, supervised: bool
) -> None:
    """Unless its mapper has less memory than the reducer: then it did not go on as one."""
    user.job("wordcount", more=f", format: text}}\nmemory: {{mapper: 2048, reducer: {reducer}")
    one = Stats(seconds=10.0)
    put(user, MORNING, map_tasks=1, reduce_tasks=1, mapped=one, reduced=one)
    parts = document(user, "wordcount")["total"]["dollars_by_part"]
    assert parts["reduce"] == pytest.approx(10 * reducer / 1024 * GB_SECOND)
    events = 4 if supervised else 1
    watched = (60 if supervised else 0) + events * 0.05
    assert parts["supervision"] == pytest.approx((watched * 0.5 + 0.5) * GB_SECOND)


def test_runs_that_are_not_over_or_failed_are_counted_by_their_markers(user: User) -> None:
    user.job("wordcount")
    begin(user.store, run_keys(MORNING), results(MORNING))
    begin(user.store, run_keys(NIGHT), results(NIGHT))
    failure = Failure(phase="map", task=0, attempt=0, error="E", message="m", stats=Stats(seconds=9.0))
    user.store.put(run_keys(NIGHT).failed("map", 0, 0), encode(failure))
    finish(user.store, run_keys(NIGHT), results(NIGHT), failure)
    text, total = run(user, "wordcount"), document(user, "wordcount")["total"]
    assert (total["runs"], total["failed"], total["under_way"], total["unknown"]) == (2, 1, 1, 0)
    assert total["dollars_by_part"]["wasted"] == pytest.approx(9 * 2 * GB_SECOND + REQUEST)
    assert total["dollars_per_gb"] is None  # nothing was read to an end
    assert "1 run is under way, and counted with the cost so far" in text


def test_what_cannot_be_read_or_said_is_named(user: User) -> None:
    user.job("wordcount")
    put(user, MORNING)
    user.store.put(OutputKeys(results(NIGHT)).manifest, b"{")
    user.store.put(run_keys(OLD).run_done, encode(Verdict(outcome="failed")))  # without a plan or a manifest
    text, found = run(user, "wordcount"), document(user, "wordcount")
    assert (found["total"]["runs"], found["total"]["unknown"]) == (2, 1)
    assert found["total"]["dollars"] == pytest.approx(whole_run())
    assert NIGHT in found["errors"][0]
    assert NIGHT in text
    assert "of 1 run too little is left to say what it cost" in text


def test_lost_attempts_are_bounded_beside_the_bill(user: User) -> None:
    user.job("wordcount")
    put(user, MORNING, map_wasted=Wasted(lost=1, lost_seconds=90.0))
    found = document(user, "wordcount")["total"]
    assert found["dollars_lost"] == pytest.approx(90 * 4 * GB_SECOND)
    # An attempt that was started is an invocation more, and an event.
    assert found["dollars"] == pytest.approx(whole_run() + 0.05 * 0.5 * GB_SECOND + 2 * REQUEST + 2 * GET)
    assert "at most $0.0060 more for attempts that left no word" in run(user, "wordcount")


def test_a_job_s_history_ends_with_advice(user: User) -> None:
    """4096 MB for tasks that used 600 of them and one processor; the job file says nothing of arm64."""
    user.job("wordcount")
    put(user, MORNING, mapped=Stats(seconds=100.0, starts=10, memory=4096, peak=600, code=90.0))
    below = run(user, "wordcount").splitlines()[3:]
    assert below[0].startswith("dollars: map 0.0067")
    assert below[1] == "advice, by the newest 1 run with the settings of the last; each by itself:"
    assert below[2].startswith("  memory.mapper: 1769, and not 4096: saves about $0.0038 a run, ")
    assert "  architecture: arm64, and not x86_64: saves about $0.0016 a run, 20%" in below
    assert run(user, "wordcount", "--advice").splitlines() == below[1:]
    found = document(user, "wordcount")
    assert (found["advice_runs"], [one["value"] for one in found["advice"]]) == (1, ["1769", "arm64"])
    assert document(user)["advice"] == []  # of all jobs
    assert "advice" not in run(user)
    with pytest.raises(SystemExit):
        run(user, "--advice")


def test_where_there_is_nothing_to_advise_that_is_said(user: User) -> None:
    user.job("wordcount")
    put(user, MORNING)  # by an earlier version
    assert "advice: the newest 1 run did not tell" in run(user, "wordcount", "--advice")
    put_failed(user, NIGHT, "sales")
    user.job("sales", more=", format: text")
    assert "advice: no run has succeeded" in run(user, "sales", "--advice")
    put(user, MORNING, mapped=Stats(seconds=100.0, starts=10, memory=1769, peak=900, code=90.0))
    text = (user.root / "jobs/wordcount.yml").read_text()
    (user.root / "jobs/wordcount.yml").write_text(text + "architecture: arm64\n")
    assert run(user, "wordcount", "--advice") == "advice: by the newest 1 run, nothing that would pay\n"


def test_a_run_takes_two_requests_and_is_read_when_it_is_asked_for(user: User) -> None:
    """Of each run its manifest and a look for its plan, so thousands of runs are no more in memory than a few."""
    user.job("wordcount")
    runs = [f"20261121T000000-{number:012d}" for number in range(300)]
    for name in runs:
        put(user, name)
    world = World(
        root=user.root, environ={}, screen=user.screen(), clock=user.clock,
        open_store=lambda work, runs: user.store,
    )  # fmt: skip
    place = Place(Loc("demo-work", ""), "wordcount", Loc("demo-out", "wordcount/"))
    before = user.store.requests.copy()
    found = read_costs(world, place, 0.0, Prices(**PRICES))
    for number, _ in enumerate(found, start=1):
        used = (user.store.requests - before)["get"]
        assert 2 * number <= used <= 2 * (number + AHEAD * max(1, user.store.parallel_reads))
    assert used == 2 * len(runs)


PRICES: dict[str, Any] = {
    "gb_second": {"x86_64": 1.0, "arm64": 1.0}, "lambda_request": 1.0, "s3_put": 1.0, "s3_list": 1.0, "s3_get": 1.0,
}  # fmt: skip


def test_runs_of_the_local_engine_and_a_checkout_without_jobs(user: User, tmp_path: Path) -> None:
    local_run(tmp_path)
    done = run_script("scripts/cost.py", "wordcount", "--work", str(tmp_path / "work"), "--since", "9999d")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[:4] == ["2026-11-21", "wordcount", "1", "0"]
    with pytest.raises(UserError, match="no job there"):
        run(user)


@pytest.fixture
def client() -> Iterator[Any]:
    made = boto3.client(
        "logs", endpoint_url="http://127.0.0.1:1", region_name="eu-west-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    yield made
    made.close()


def answer(stub: Stubber, function: str, *messages: str, token: str = "", after: str = "") -> None:
    """The next answer of CloudWatch Logs, to the question that it has to be the answer of."""
    asked = {
        "logGroupName": f"/aws/lambda/sluice-wordcount-{function}",
        "filterPattern": '?"REPORT RequestId" ?"platform.report"', "startTime": int((T0 - 7 * DAY) * 1000),
        **({"nextToken": after} if after else {}),
    }  # fmt: skip
    events = [{"timestamp": int(T0 * 1000), "message": message, "eventId": message} for message in messages]
    stub.add_response(
        "filter_log_events", {"events": events, **({"nextToken": token} if token else {})}, asked
    )


def report(milliseconds: int, megabytes: int, more: str = "") -> str:
    """As Lambda writes it: the billed time of a new process has its start in it."""
    return (
        f"REPORT RequestId: bf5f58db-ef7d-4cb2-b3c6-266eba1bbedb\tDuration: {milliseconds - 1}.20 ms\tBilled Duration:"
        f" {milliseconds} ms\tMemory Size: {megabytes} MB\tMax Memory Used: 301 MB\t{more}\n"
    )


AS_JSON = json.dumps(
    {
        "time": "2026-11-21T03:00:00.000Z", "type": "platform.report",
        "record": {"requestId": "r", "status": "success", "metrics": {
            "durationMs": 49_999.2, "billedDurationMs": 50_000, "memorySizeMB": 1024, "maxMemoryUsedMB": 300}},
    }
)  # fmt: skip


def reconciled(user: User, client: Any, *argv: str) -> int:
    user.out.truncate(0)
    user.out.seek(0)
    world = World(
        root=user.root, environ={}, screen=user.screen(), clock=user.clock,
        open_store=lambda work, runs: user.store,
    )  # fmt: skip
    return cost.main(["wordcount", "--since", "7d", "--reconcile", *argv], world, lambda region: client)


def answer_all(stub: Stubber) -> None:
    """Mappers: 100 s of 4 GB and 8 s; reducers: 50 s of 1 GB; the supervisor: 10 s; the coordinator: 2 s."""
    answer(stub, "coordinator", report(2000, 512, "Init Duration: 265.72 ms"))
    answer(stub, "mapper", report(100_000, 4096), "a line of ours that quotes REPORT RequestId: x", token="t")
    answer(
        stub, "mapper", report(8000, 4096), '{"message": "platform.report"}', '"platform.report"', after="t"
    )
    answer(stub, "supervisor", report(10_000, 512))
    answer(stub, "reducer", AS_JSON)


def test_lambda_s_own_time_is_compared_with_ours(user: User, client: Any) -> None:
    user.job("wordcount")
    put(user, MORNING)
    with Stubber(client) as stub:
        answer_all(stub)
        assert reconciled(user, client) == 0
        shown = user.lines[-5:]
        answer_all(stub)
        reconciled(user, client, "--json")
        tasks, others, both = json.loads(user.out.getvalue())["reconciled"]
        stub.assert_no_pending_responses()
    assert (tasks["invocations"], tasks["seconds"]) == (3, 158.0)
    assert tasks["billed"] == pytest.approx((108 * 4 + 50) * GB_SECOND)
    assert tasks["ours"] == pytest.approx((102 * 4 + 50) * GB_SECOND)
    assert tasks["difference"] == pytest.approx(458 / 482 - 1)
    assert others["billed"] == pytest.approx((10 * 0.5 + 2 * 0.5) * GB_SECOND)
    assert others["ours"] == pytest.approx((60.7 * 0.5 + 0.5) * GB_SECOND)
    assert both["billed"] == pytest.approx(tasks["billed"] + others["billed"])
    assert shown[0].startswith("Lambda's own time, by its REPORT lines")
    assert shown[1].split() == (
        [
            "mapper,",
            "reducer",
            "3",
            "invocations",
            "158.0",
            "s",
            "billed",
            "$0.0080,",
            "here",
            "$0.0076:",
            "-5.0%",
        ]
    )


def test_where_there_is_nothing_to_compare_with_that_is_said(user: User, client: Any, tmp_path: Path) -> None:
    user.job("wordcount")
    put(user, MORNING)
    with Stubber(client) as stub:
        for function in ("coordinator", "mapper", "supervisor", "reducer"):
            answer(stub, function)
        with pytest.raises(UserError, match="no REPORT line is that new"):
            reconciled(user, client)
        for _ in range(4):
            stub.add_client_error("filter_log_events", "ResourceNotFoundException")
        with pytest.raises(UserError, match="there are no log groups"):
            reconciled(user, client)
    with pytest.raises(UserError, match="nobody bills"):
        reconciled(user, client, "--work", str(tmp_path))
    with pytest.raises(SystemExit):
        run(user, "--reconcile")


def test_help_has_an_example() -> None:
    assert "scripts/cost.py wordcount --since 7d" in run_script("scripts/cost.py", "--help").stdout
    assert (ROOT / "scripts/cost.py").stat().st_mode & 0o111
