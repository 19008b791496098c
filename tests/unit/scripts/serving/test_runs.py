"""What the dashboard tells of runs, pushes of them, and does to them: the same as the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.core.keys import OutputKeys
from chalicelib.core.messages import Stats, encode
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import MapMarker
from chalicelib.run.status.runs import list_runs
from tests.unit.scripts.serving.board import BY, Board, board_of
from tests.unit.scripts.test_quarantine import BODY, inputs, simulate
from tests.unit.scripts.user import BOOM, OLDER, RUN, T0, User, begin, finish, local_run, results, run_keys
from tests.worlds.simulation import WORK

HERE = f"/api/run/0/wordcount/{RUN}"


@pytest.fixture
def board(user: User) -> Iterator[Board]:
    user.job()
    with board_of(user) as made:
        yield made


def ids(found: Any) -> list[str]:
    return [row["run"] for row in found["rows"]]


# -- many ----------------------------------------------------------------------------------------------


def test_all_runs_of_all_jobs_are_paged_newest_first(user: User) -> None:
    """By ids: whichever page is asked for, each run is on one page."""
    made = []
    for number in range(130):
        job, run = ("one", "two")[number % 2], f"20261120T{number:06d}-a"
        begin(user.store, run_keys(run, job=job), results(run, job=job))
        if number % 3:
            finish(
                user.store, run_keys(run, job=job), results(run, job=job), BOOM if number % 3 == 1 else None
            )
        made.append((run, job, ("under way", "failed", "succeeded")[number % 3]))
    user.job("one")
    user.job("two")
    made.reverse()

    def all_of(**asked: str) -> list[str]:
        found: list[str] = []
        while True:
            query = "&".join(f"{name}={quote(value)}" for name, value in asked.items())
            page = board.get(f"/api/runs?first={len(found)}&count=40&{query}")
            found += ids(page)
            if len(found) >= page["total"]:
                assert len(found) == page["total"]
                return found

    with board_of(user) as board:
        assert all_of() == [run for run, _, _ in made]
        assert all_of(source="1") == [run for run, job, _ in made if job == "two"]
        assert all_of(text="00001") == [run for run, _, _ in made if "00001" in run]
        assert all_of(text="TWO") == [run for run, job, _ in made if job == "two"]
        for standing in ("under way", "failed", "succeeded"):
            assert all_of(standing=standing) == [run for run, _, how in made if how == standing]
        assert len(board.get("/api/runs?count=999999")["rows"]) == 130
        assert board.get("/api/runs?first=500")["rows"] == []
        for wrong in ("first=-1", "first=x", "standing=odd", "source=99999999999", "count=1e3"):
            assert board.ask(f"/api/runs?{wrong}").status == 400, wrong


def test_a_row_tells_what_status_does(user: User, board: Board) -> None:
    begin(user.store, run_keys(), results())
    finish(user.store, run_keys(), results(), BOOM)
    (row,) = board.get("/api/runs")["rows"]
    assert (row["job"], row["run"], row["phase"], row["ended"]) == ("wordcount", RUN, "failed", True)
    told = board.get(HERE)
    assert told["reason"] == "no number: 'x'"
    assert told["failures"][0]["detail"] == BOOM.detail
    user.status("wordcount", RUN, "--json")
    same = json.loads(user.out.getvalue())
    assert {name: told[name] for name in ("source", "output", "reason", "attempts_failed", "counters")} == {
        name: same[name] for name in ("source", "output", "reason", "attempts_failed", "counters")
    }


def test_new_runs_and_progress_are_pushed(user: User, board: Board) -> None:
    with board.stream("/api/live") as news:
        assert news()["known"] == 0
        begin(user.store, run_keys(), results())
        told = news()
        while not told["rows"]:
            told = news()
        assert (ids(told), told["rows"][0]["ended"]) == ([RUN], False)
        finish(user.store, run_keys(), results())
        while not told["rows"][0]["ended"]:
            told = news()
        assert told["rows"][0]["phase"] == "succeeded"


def test_a_run_is_pushed_until_it_ends(user: User, board: Board) -> None:
    begin(user.store, run_keys(), results(), tasks=2)
    with board.stream(f"{HERE}/live") as news:
        assert news()["map"] == [0, 2]
        marker = MapMarker(
            task=0, attempt=0, token="t", run_file="f", offsets=(0,) * 17, stats=Stats(records_in=7), started=T0,
            finished=T0,
        )  # fmt: skip
        user.store.put(run_keys().done("map", 0), encode(marker))
        told = news()
        assert (told["map"], told["measured"][0]["records_in"]) == ([1, 2], 7)
        finish(user.store, run_keys(), results())
        while not told.get("ended"):
            told = news()
        assert told["last"]
        assert news() is None
    assert board.ask(f"/api/run/0/wordcount/{OLDER}/live").status == 400


# -- names ---------------------------------------------------------------------------------------------


REFUSED = (400, 401, 404)
TRICKS = ("..", ".", "...", "%2e%2e", "..%2f..%2fetc", "%2Fetc%2Fpasswd", "a%00b", "a%0Ab", "%ff", "latest", "a%20b",
          "%3Cscript%3E", "a" * 5000, "-", "_")  # fmt: skip


def test_no_name_leads_out_of_the_work_place(tmp_path: Path) -> None:
    work = tmp_path / "outer" / "work"
    work.mkdir(parents=True)
    for place in (tmp_path, tmp_path / "outer", work):
        (place / "plan.json").write_text("outside-secret")
        (place / "a.log").write_text('{"message": "outside-secret", "at": 1}\n')
    user = User(tmp_path / "user")
    user.root.mkdir()
    with board_of(user, works=(str(work),)) as board:
        for trick in TRICKS:
            for path in (f"/api/run/0/{trick}/{RUN}", f"/api/run/0/wordcount/{trick}"):
                for rest in ("", "/log", "/bad", "/live"):
                    answer = board.ask(path + rest)
                    if rest == "/log" and answer.status == 200:  # a name that no run has: nothing was logged
                        assert answer.json == {"total": 0, "lines": []}
                        continue
                    assert answer.status in REFUSED, (path, answer)
                    assert b"outside-secret" not in answer.body
                answer = board.ask(f"{path}/stop", "POST")
                assert answer.status in REFUSED, (path, answer)
            assert board.ask(f"/report/0/{trick}/{RUN}").status in REFUSED
        for source in ("1", "-1", "99999999999999999999", "x", "0x0"):
            assert board.ask(f"/api/run/{source}/wordcount/{RUN}").status in REFUSED
    assert {path.name for path in work.iterdir()} == {"plan.json", "a.log"}


@pytest.mark.parametrize("name", [*TRICKS[:6], "a%00b", "%2e%2e%2fa.txt", "a%2fb", "b" * 300])
def test_no_file_s_name_leads_out_of_the_upload(name: str, user: User, board: Board) -> None:
    upload = board.post("/api/upload/0")["upload"]
    path = f"/api/upload/0/{upload}/{name}"
    answer = board.ask(path, "PUT", b"body")
    if name not in ("...",):
        assert answer.status in (*REFUSED, 405), answer
        assert list(board.folder.rglob("*")) == [board.folder / upload]
    assert board.ask("/api/upload/0/..", "POST").status in REFUSED
    assert board.ask("/api/upload/0/nobody/a.txt", "PUT", b"body").status == 400


# -- actions -------------------------------------------------------------------------------------------


def test_a_run_is_stopped_by_name_for_a_reason(user: User, board: Board) -> None:
    begin(user.store, run_keys(), results())
    told = board.post(f"{HERE}/stop", b"wrong\ninput")
    assert told["done"]
    assert f"stopped by {BY}: wrong input" in told["told"]
    assert board.get(HERE)["reason"] == f"stopped by {BY}: wrong input"
    assert user.store.get(OutputKeys(results()).failure)
    late = board.post(f"{HERE}/stop", b"another")
    assert not late["done"]
    assert "had ended before" in late["told"]


def test_files_are_put_where_the_job_watches_and_the_run_that_they_start_is_followed(
    user: User, board: Board
) -> None:
    upload = board.post("/api/upload/0")["upload"]
    for name, body in (("a b.txt", b"to be"), ("\u6c34+%.txt", b"x" * 3_000_000)):
        assert board.ask(f"/api/upload/0/{upload}/{quote(name)}", "PUT", body).status == 200
    told = board.post(f"/api/upload/0/{upload}")
    assert {info.key: info.size for info in user.store.list(Loc("demo-in", ""))} == {
        "wordcount/a b.txt": 5,
        "wordcount/\u6c34+%.txt": 3_000_000,
    }
    assert "s3://demo-in/wordcount/a b.txt" in told["told"]
    assert list(board.folder.iterdir()) == []
    with board.stream(f"/api/follow/{told['follow']}") as news:
        assert news()["waiting"] == 2
        for number, name in enumerate(("a b.txt", "\u6c34+%.txt")):
            run = f"20261121T034500-{number}"
            begin(user.store, run_keys(run), results(run), f"s3://demo-in/wordcount/{name}")
            finish(user.store, run_keys(run), results(run))
        seen: Any = {}
        while not seen.get("last"):
            seen = news()
        assert (seen["waiting"], ids(seen)) == (0, ["20261121T034500-0", "20261121T034500-1"])
        assert news() is None


def test_nothing_is_put_if_one_file_cannot_be(user: User, board: Board) -> None:
    user.job(more=", suffix: .txt")
    upload = board.post("/api/upload/0")["upload"]
    assert board.ask(f"/api/upload/0/{upload}", "POST").status == 400
    for name in ("a.txt", "b.csv"):
        assert board.ask(f"/api/upload/0/{upload}/{name}", "PUT", b"x").status == 200
    assert board.ask(f"/api/upload/0/{upload}/a.txt", "PUT", b"y").status == 400
    answer = board.ask(f"/api/upload/0/{upload}", "POST")
    assert answer.status == 400
    assert "nothing was uploaded" in answer.json["error"]
    assert "b.csv" in answer.json["error"]
    assert list(user.store.list(Loc("demo-in", ""))) == []
    assert list(board.folder.iterdir()) == []


def test_a_run_is_done_again_and_picked_up(user: User, board: Board) -> None:
    loc = Loc("demo-in", "wordcount/a.txt")
    user.store.put(loc, b"to be\n")
    begin(user.store, run_keys(), results(), loc.url)
    picked = board.post(f"{HERE}/resume")
    assert "started the supervisor" in picked["told"]
    assert [function for function, _ in board.calls.made] == ["supervisor"]
    finish(user.store, run_keys(), results(), BOOM)
    told = board.post(f"{HERE}/again")
    assert f"{loc.url}  starts " in told["told"]
    assert [function for function, _ in board.calls.made] == ["supervisor", "coordinator"]
    new = told["told"].partition("starts ")[2].split()[0]
    with board.stream(f"/api/follow/{told['follow']}") as news:
        assert news()["waiting"] == 1
        begin(user.store, run_keys(new), results(new), loc.url)
        seen = news()
        while not seen["rows"]:
            seen = news()
        assert ids(seen) == [new]
    user.store.delete("demo-in", [loc.key])
    answer = board.ask(f"{HERE}/again", "POST")
    assert answer.status == 400
    assert "cannot be done again" in answer.json["error"]


def test_what_may_be_done_depends_on_how_and_where_a_run_stands(
    user: User, board: Board, tmp_path: Path
) -> None:
    begin(user.store, run_keys(), results())
    assert board.get(HERE)["can"] == ["stop", "resume"]
    finish(user.store, run_keys(), results())
    assert board.get(HERE)["can"] == ["again"]
    local_run(tmp_path)
    with board_of(user, works=(str(tmp_path / "work"),)) as local:
        assert local.get(HERE)["can"] == []
        for name in ("again", "resume"):
            answer = local.ask(f"{HERE}/{name}", "POST")
            assert answer.status == 400
            assert "not deployed from here" in answer.json["error"]
        assert local.ask("/api/upload/0", "POST").status == 400


def test_bad_records_are_shown_and_run_again(tmp_path: Path) -> None:
    simulation = simulate(tmp_path, {"a.txt": BODY})
    (keys,) = list_runs(simulation.memory, WORK)
    user = User(tmp_path, store=simulation.memory)
    with board_of(user, works=("s3://work/",)) as board:
        here = f"/api/run/0/job/{keys.run}"
        assert board.get(here)["can"] == ["redrive"]
        found = board.get(f"{here}/bad")
        assert (found["total"], found["kinds"]) == (6, [["ValueError", 6]])
        assert [record["text"].split()[1] for record in found["records"]] == [
            f"p{n}" for n in range(0, 60, 10)
        ]
        told = board.post(f"{here}/redrive")
        assert "started 1 run" in told["told"]
    (new,) = inputs(simulation) - {"data/a.txt"}
    assert simulation.memory.get(Loc("in", new)).count(b"poison") == 6


def test_a_work_folder_shows_a_run_with_its_log_and_its_report(tmp_path: Path) -> None:
    local_run(tmp_path)
    user = User(tmp_path)
    log = tmp_path / "work" / run_keys().log("0").key
    log.parent.mkdir(parents=True, exist_ok=True)
    levels = ("INFO", "INFO", "ERROR")
    lines = [
        {"at": T0 + n, "level": level, "message": f"<b>{n}</b>", "run": RUN} for n, level in enumerate(levels)
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with board_of(user, works=(str(tmp_path / "work"),)) as board:
        (row,) = board.get("/api/runs")["rows"]
        assert row["phase"] == "succeeded"
        found = board.get(f"{HERE}/log")
        assert [line["message"] for line in found["lines"]] == ["<b>0</b>", "<b>1</b>", "<b>2</b>"]
        assert [line["message"] for line in board.get(f"{HERE}/log?level=ERROR")["lines"]] == ["<b>2</b>"]
        assert board.ask(f"{HERE}/log?level=odd").status == 400
        assert RUN.encode() in board.ask(row["report"]).body


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(user: User, tmp_path: Path) -> None:
    local_run(tmp_path)
    (user.root / "jobs").mkdir()
    (user.root / "jobs/broken.yml").write_text("job: 7 8\nwork: []\n")
    user.job()
    begin(user.store, run_keys(OLDER), results(OLDER))
    user.store.put(run_keys(OLDER).plan, b"damaged")
    begin(user.store, run_keys(), results())
    with board_of(user) as board:
        assert "broken.yml" in board.get("/api/sources")["problems"][0]
        rows = board.get("/api/runs")["rows"]
        assert [(row["run"], row["phase"]) for row in rows] == [(RUN, "shuffling"), (OLDER, "unreadable")]
        assert ids(board.get("/api/runs?standing=under%20way")) == [RUN]
        assert board.ask(f"/api/run/0/wordcount/{OLDER}").status == 502
