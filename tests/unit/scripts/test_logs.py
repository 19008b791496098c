"""`scripts/logs.py`: one log of four functions, in memory; botocore's Stubber stands for CloudWatch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from chalicelib.core.errors import UserError
from scripts import logs
from tests.unit.scripts.user import ROOT, RUN, T0, User, begin, finish, results, run_keys, run_script

FUNCTIONS = ("coordinator", "mapper", "supervisor", "reducer")
MS = int(T0 * 1000)


@pytest.fixture
def client() -> Iterator[Any]:
    made = boto3.client(
        "logs", endpoint_url="http://127.0.0.1:1", region_name="eu-west-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    yield made
    made.close()


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def event(at: int, message: str, **fields: Any) -> dict[str, Any]:
    body = {"level": "INFO", "message": message, "run": RUN, **fields}
    return {"timestamp": MS + at, "message": json.dumps(body), "eventId": f"{at}-{message}"}


def raw(at: int, text: str) -> dict[str, Any]:
    return {"timestamp": MS + at, "message": text, "eventId": f"{at}-{text}"}


def answer(
    stub: Stubber, function: str, events: list[dict[str, Any]], token: str = "", after: str = "", **more: Any
) -> None:
    asked = {
        "logGroupName": f"/aws/lambda/sluice-wordcount-{function}", "filterPattern": f'"{RUN}"',
        "startTime": ANY, **({"nextToken": after} if after else {}), **more,
    }  # fmt: skip
    stub.add_response(
        "filter_log_events", {"events": events, **({"nextToken": token} if token else {})}, asked
    )


def show(user: User, client: Any, *argv: str) -> int:
    world = logs.World(
        root=user.root, environ={}, screen=user.screen(), clock=user.clock,
        open_store=lambda work, runs: user.store,
    )  # fmt: skip
    return logs.main(["wordcount", *argv], world, lambda: client)


@pytest.fixture
def ended(user: User) -> User:
    user.job()
    begin(user.store, run_keys(), results())
    finish(user.store, run_keys(), results())
    return user


def test_pages_of_all_groups_become_one_log_in_order_of_time(ended: User, client: Any, stub: Stubber) -> None:
    answer(stub, "coordinator", [event(0, "planned"), event(50, "late")])
    answer(stub, "mapper", [], token="a")  # CloudWatch may give an empty page though more follow
    answer(stub, "mapper", [event(10, "m1", phase="map", task=4, attempt=1)], token="b", after="a")
    answer(stub, "supervisor", [])
    answer(stub, "reducer", [event(30, "r1", phase="reduce", task=0, attempt=0, step=2)])
    answer(
        stub, "mapper", [event(20, "m2\nbelow", phase="map", task=4, attempt=1, traceback="T\nE")], after="b"
    )
    assert show(ended, client) == 0
    told = [re.sub(r"^[\d:.]+ +", "", line) for line in ended.lines]
    assert told == [
        "coordinator  planned", "map 4.1      m1", "map 4.1      m2", "    below", "    T", "    E",
        "step-2 reduce 0.0  r1", "coordinator  late",
    ]  # fmt: skip


def test_task_attempt_and_level_choose(ended: User, client: Any, stub: Stubber) -> None:
    ids = {"phase": "map", "task": 4}
    mapper = [
        event(1, "other task", phase="map", task=5, attempt=1, level="ERROR"),
        event(2, "other attempt", **ids, attempt=0, level="ERROR"),
        event(3, "too low", **ids, attempt=1, level="INFO"),
        event(4, "other run", **ids, attempt=1, level="ERROR")
        | {"message": json.dumps({"run": "x", "task": 4})},
        event(5, "this", **ids, attempt=1, level="ERROR"),
        event(6, "and this", task="4..9", attempt=1, level="WARNING"),
    ]
    for function in FUNCTIONS:
        answer(stub, function, mapper if function == "mapper" else [])
    show(ended, client, "--task", "4", "--attempt", "1", "--level", "warning", "--json")
    assert [json.loads(line)["message"] for line in ended.lines] == ["this", "and this"]


def test_what_lambda_says_itself_and_control_characters_are_shown(
    ended: User, client: Any, stub: Stubber
) -> None:
    for function in FUNCTIONS:
        answer(stub, function, [raw(1, f"[ERROR] {RUN}\x1b[2J\n")] if function == "mapper" else [])
    show(ended, client, "--level", "ERROR")
    (line,) = ended.lines
    assert line.endswith(f"mapper       ERROR  [ERROR] {RUN}\\x1b[2J")


def test_following_shows_each_event_once_also_those_that_come_late(
    user: User, client: Any, stub: Stubber
) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    first, late, last = (event(at, text) for at, text in ((-9000, "first"), (-9500, "late"), (900, "last")))
    looks = [([first], {"endTime": ANY}), ([late, first], {"endTime": ANY}), ([late, first, last], {})]
    for events, more in looks:
        for function in FUNCTIONS:
            answer(stub, function, events if function == "mapper" else [], **more)
    user.clock.steps = [
        lambda: None,
        lambda: finish(user.store, run_keys(), results()),
        lambda: None,  # the last events take some seconds
    ]
    assert show(user, client, "--follow") == 0
    assert [line.split()[-1] for line in user.lines] == ["first", "late", "last"]


def test_no_log_group_says_what_to_do(ended: User, client: Any, stub: Stubber) -> None:
    for _ in FUNCTIONS:
        stub.add_client_error("filter_log_events", "ResourceNotFoundException", "no such group", 400)
    with pytest.raises(UserError, match=r"eu-west-1 has no log group .*-mapper.*scripts/deploy.py wordcount"):
        show(ended, client)


def test_a_function_that_was_not_called_yet_has_no_group(
    ended: User, client: Any, stub: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    for function in FUNCTIONS[:3]:
        answer(stub, function, [])
    stub.add_client_error("filter_log_events", "ResourceNotFoundException", "no such group", 400)
    assert show(ended, client) == 0
    assert "nothing that was asked for has been logged" in capsys.readouterr().err


def test_who_may_not_read_logs_is_told_which_right_is_missing(
    ended: User, client: Any, stub: Stubber
) -> None:
    stub.add_client_error("filter_log_events", "AccessDeniedException", "no", 400)
    with pytest.raises(UserError, match=r"sluice-wordcount-coordinator.*it needs FilterLogEvents"):
        show(ended, client)


def test_no_such_run_and_no_run_at_all(user: User, client: Any, stub: Stubber) -> None:
    user.job()
    with pytest.raises(UserError, match=r"there is no run of wordcount yet; scripts/submit.py"):
        show(user, client)
    with pytest.raises(UserError, match=r"there is no run 'gone'"):
        show(user, client, "gone")


def test_a_folder_without_the_run_ends_in_one_sentence(tmp_path: Path) -> None:
    done = run_script(str(ROOT / "scripts" / "logs.py"), "wordcount", "--work", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: --work ")
