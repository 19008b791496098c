"""The composition root on Lambda, and the app that Chalice deploys."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalice import Chalice

from chalicelib.aws.chalice_app import this_clock
from chalicelib.aws.function import Process, TimeLeft, event_ids, split_function_name
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import FunctionName, Loc
from chalicelib.functions.attempt.log_lines import JsonLines
from chalicelib.job.services import JOBS_LOG
from chalicelib.mapreduce.guard.host import ThisProcess
from chalicelib.run.events import event_for
from tests.features.test_bus import told

ROOT = Path(__file__).resolve().parents[3]


class Context:
    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def process(function: FunctionName, handle: Any, time_left: TimeLeft | None = None) -> Process:
    return Process(
        job="tally",
        function=function,
        handle=handle,
        time_left=time_left or TimeLeft(),
        host=ThisProcess(512),
    )


@pytest.mark.parametrize("function", ["coordinator", "mapper", "supervisor", "reducer"])
def test_siblings_share_the_prefix_of_a_functions_name(function: str) -> None:
    assert split_function_name(f"sluice-my-mapper-job-{function}") == ("sluice-my-mapper-job-", function)


def test_a_foreign_function_name_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"expected one of .*-mapper"):
        split_function_name("sluice-tally-janitor")


def test_the_time_left_is_that_of_the_invocation_under_way() -> None:
    time_left, seen = TimeLeft(), []
    served = process("mapper", lambda event: seen.append(time_left()), time_left)
    for milliseconds in (900_000, 1_500):
        served.run({}, Context(milliseconds))
    assert seen == [900.0, 1.5]


def test_only_the_first_invocation_of_a_process_is_a_cold_one() -> None:
    seen: list[tuple[bool, int]] = []
    served = process("mapper", lambda event: seen.append((served.host.cold, served.host.memory)))
    for _ in range(3):
        served.run({}, Context(1))
    assert seen == [(True, 512), (False, 512), (False, 512)]


def test_no_time_is_known_outside_of_an_invocation() -> None:
    with pytest.raises(RuntimeError, match="during an invocation"):
        TimeLeft()()


@pytest.mark.parametrize("function", ["coordinator", "supervisor"])
@pytest.mark.parametrize("event", [{"Event": "s3:TestEvent"}, {"Records": []}, {}])
def test_events_without_records_are_ignored(
    function: FunctionName, event: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chalicelib")
    seen: list[Any] = []
    process(function, seen.append).run(event, Context(1))
    assert seen == []
    (record,) = caplog.records
    assert "without Records" in record.message


@pytest.mark.parametrize("function", ["coordinator", "supervisor"])
def test_what_lambda_tells_of_a_failed_event_is_handled_and_logged_with_the_ids_of_that_event(
    function: FunctionName, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chalicelib")
    arn, seen = "arn:aws:lambda:eu-west-1:1:function:sluice-tally-mapper", []
    event = {
        "requestContext": {"condition": "RetriesExhausted", "functionArn": arn},
        "requestPayload": {"job": "tally", "run": "r7", "lo": 3, "hi": 9, "attempt": 1},
        "responsePayload": {"errorMessage": "out of memory"},
    }
    process(function, seen.append).run(event, Context(1))
    assert seen == [event]
    (record,) = caplog.records
    line = json.loads(JsonLines().format(record))
    expected = {
        "run": "r7",
        "task": "3..8",
        "failed": arn,
        "condition": "RetriesExhausted",
        "level": "WARNING",
    }
    assert line | expected == line


def test_an_error_is_logged_with_its_ids_and_raised_again(caplog: pytest.LogCaptureFixture) -> None:
    def handle(event: dict[str, Any]) -> None:
        raise ValueError("why")

    payload = {"job": "tally", "run": "r7", "lo": 3, "hi": 9, "attempt": 1}
    with pytest.raises(ValueError, match="why"):
        process("mapper", handle).run(payload, Context(1))
    (record,) = caplog.records
    line = json.loads(JsonLines().format(record))
    expected = {
        "level": "ERROR",
        "job": "tally",
        "function": "mapper",
        "run": "r7",
        "task": "3..8",
        "attempt": 1,
    }
    assert line | expected == line
    assert line["traceback"].endswith("ValueError: why")


def test_an_s3_event_tells_its_object_and_run() -> None:
    done = RunKeys(Loc("scratch", "w/"), "tally", "r7").done("map", 3)
    assert event_ids(event_for(done)) == {
        "bucket": "scratch",
        "key": "w/runs/tally/r7/map/000003.done",
        "run": "r7",
    }


def test_so_does_an_event_of_eventbridge_whose_key_is_as_it_is() -> None:
    done = RunKeys(Loc("scratch", "w+w/"), "tally", "r7").done("map", 3)
    wanted = {"bucket": "scratch", "key": "w+w/runs/tally/r7/map/000003.done", "run": "r7"}
    assert event_ids(told(done, "e", 0.0)) == wanted
    assert event_ids({**told(done, "e", 0.0), "detail": {"bucket": 1}}) == {}


@pytest.mark.parametrize(
    "event", [{"Records": [{}]}, {"Records": [{"s3": {"bucket": {}}}]}, {"Records": None}]
)
def test_odd_events_have_no_ids_but_do_no_harm(event: dict[str, Any]) -> None:
    assert not any(event_ids(event).values())


def test_a_log_line_is_one_line_of_json() -> None:
    record = logging.makeLogRecord({"msg": "a %s\nb", "args": ("ü",), "levelname": "INFO", "run": Path("x")})
    text = JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text) == {"level": "INFO", "message": "a ü\nb", "run": "x"}


# ------------------------------------------------------------------ app.py


@pytest.fixture
def load_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that imports app.py afresh with these variables."""
    monkeypatch.syspath_prepend(str(ROOT))

    def load(**environ: str) -> Any:
        for name in ("AWS_CHALICE_CLI_MODE", "AWS_LAMBDA_FUNCTION_NAME", "SLUICE_NAME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        sys.modules.pop("app", None)
        return importlib.import_module("app")

    yield load
    sys.modules.pop("app", None)


def test_chalice_learns_the_buckets_from_the_jobs_yaml(load_app: Any) -> None:
    chalice: Chalice = load_app(AWS_CHALICE_CLI_MODE="true", SLUICE_NAME="wordcount").app
    sources = {source.name: source for source in chalice.event_sources}
    assert {name: (source.bucket, source.prefix, source.suffix) for name, source in sources.items()} == {
        "coordinator": ("sluice-demo-in", "wordcount/", None),
        "supervisor": ("sluice-demo-work", "runs/wordcount/", ".done"),
    }
    assert {tuple(source.events) for source in sources.values()} == {("s3:ObjectCreated:*",)}
    assert {function.name for function in chalice.pure_lambda_functions} == {"mapper", "reducer"}


def test_chalice_learns_of_clocks_where_the_job_asks_for_them(load_app: Any) -> None:
    app = load_app(
        AWS_CHALICE_CLI_MODE="true", SLUICE_NAME="wordcount", SLUICE_TRIGGER="every 15m", SLUICE_AUDIT="1h"
    )
    sources = {source.name: source for source in app.app.event_sources}
    assert sources["scheduler"].schedule_expression == "rate(15 minutes)"
    assert sources["auditor"].schedule_expression == "rate(60 minutes)"
    assert sources["coordinator"].suffix == ".manifest"
    tick = app.scheduler.event_class({}, Context(1))
    assert tick.to_dict() == {}


def test_a_process_on_lambda_has_the_clock_that_starts_it_and_no_other(load_app: Any) -> None:
    app = load_app()
    assert (app.scheduler, app.auditor) == (None, None)
    assert set(this_clock({"AWS_LAMBDA_FUNCTION_NAME": "sluice-wordcount-scheduler"})) == {"scheduler"}
    assert this_clock({"AWS_LAMBDA_FUNCTION_NAME": "sluice-wordcount-mapper"}) == {}
    assert this_clock({}) == {}


@pytest.mark.parametrize(
    ("name", "sentence"), [(None, "has no SLUICE_NAME"), ("no-such-job", "sluice: no-such-job: no such job")]
)
def test_a_stage_that_cannot_be_deployed_ends_in_a_sentence(
    load_app: Any, name: str | None, sentence: str
) -> None:
    with pytest.raises(SystemExit, match=sentence):
        load_app(AWS_CHALICE_CLI_MODE="true", **({"SLUICE_NAME": name} if name else {}))


def test_the_app_takes_events_as_they_come(load_app: Any) -> None:
    app = load_app()
    several = {"Records": [*event_for(Loc("b", "x y"))["Records"], *event_for(Loc("b", "ü+"))["Records"]]}
    for handler in (app.coordinator, app.supervisor):
        for event in (several, {"Event": "s3:TestEvent"}):
            assert handler.event_class(event, Context(1)).to_dict() is event


def test_chalice_leaves_the_jobs_loggers_alone(load_app: Any) -> None:
    """It would take the logger of its app's name, and what is logged below that would lose its ids."""
    logger = logging.getLogger(JOBS_LOG)
    before = (list(logger.handlers), logger.propagate)
    load_app()
    assert (logger.handlers, logger.propagate) == before == ([], True)
