"""Nobody but the dashboard's own page, with the token of this start, can read anything or have anything done."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.core.errors import UserError
from chalicelib.core.ports import Loc
from scripts.serving.access import FILES, Door, refusal
from scripts.serving.app import Dashboard
from scripts.serving.server import listen
from tests.unit.scripts.serving.board import TOKEN, Board, board_of
from tests.unit.scripts.user import RUN, User, begin, results, run_keys

RUN_PATH = f"/api/run/0/wordcount/{RUN}"
#: An address of each kind, by what the application calls it.
READS = {
    "/api/sources": "/api/sources",
    "/api/runs": "/api/runs",
    "/api/live": "/api/live",
    "/api/run/{source:int}/{job}/{run}": RUN_PATH,
    "/api/run/{source:int}/{job}/{run}/live": f"{RUN_PATH}/live",
    "/api/run/{source:int}/{job}/{run}/log": f"{RUN_PATH}/log",
    "/api/run/{source:int}/{job}/{run}/bad": f"{RUN_PATH}/bad",
    "/api/follow/{started}": "/api/follow/0",
    "/report/{source:int}/{job}/{run}": f"/report/0/wordcount/{RUN}",
}
ACTS = {
    **{f"/api/run/{{source:int}}/{{job}}/{{run}}/{name}": f"{RUN_PATH}/{name}" for name in
       ("stop", "again", "resume", "redrive")},
    "/api/upload/{source:int}": "/api/upload/0",
    "/api/upload/{source:int}/{upload}": "/api/upload/0/u",
    "/api/upload/{source:int}/{upload}/{name}": "/api/upload/0/u/a.txt",
}  # fmt: skip
OPEN = {"/", "/page/{name}"}
#: What somebody else's request looks like: headers other than the page's own.
OTHERS = {
    "no token": {"Authorization": None},
    "an empty token": {"Authorization": "Bearer "},
    "another token": {"Authorization": f"Bearer {TOKEN}x"},
    "the token in a cookie": {"Authorization": None, "Cookie": f"token={TOKEN}"},
    "another scheme": {"Authorization": f"Basic {TOKEN}"},
    "a page of another site": {"Origin": "https://evil.example"},
    "a page without an origin": {"Origin": "null"},
    "a page of another port": {"Origin": "http://127.0.0.1:1"},
    "another scheme's page": {"Origin": "https://127.0.0.1:PORT"},
    "a name that leads here": {"Host": "evil.example:PORT", "Origin": None},
    "a name that leads here, and its page": {
        "Host": "evil.example:PORT",
        "Origin": "http://evil.example:PORT",
    },
    "a host without a port": {"Host": "127.0.0.1", "Origin": None},
    "no host": {"Host": "", "Origin": None},
    "a browser says that another site asks": {"Origin": None, "Sec-Fetch-Site": "cross-site"},
    "a browser says that another port asks": {"Origin": None, "Sec-Fetch-Site": "same-site"},
}


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    made = User(tmp_path_factory.mktemp("user"))
    made.job()
    made.store.put(Loc("demo-in", "wordcount/a.txt"), b"to be\n")
    begin(made.store, run_keys(), results())
    return made


@pytest.fixture(scope="module")
def board(user: User) -> Iterator[Board]:
    with board_of(user) as made:
        yield made


def everything(user: User) -> dict[str, str]:
    return {
        f"{bucket}/{info.key}": info.etag
        for bucket in ("demo-in", "demo-work", "demo-out")
        for info in user.store.list(Loc(bucket, ""))
    }


def test_every_address_is_tried_here() -> None:
    made = Dashboard(*[None] * 3, logs=None, every=1.0, ending=None)  # type: ignore[arg-type, list-item]
    assert {route.path for route in made.app()._app.routes} == {*READS, *ACTS, *OPEN}  # type: ignore[attr-defined]


@pytest.mark.parametrize("who", OTHERS)
def test_somebody_else_can_neither_read_nor_act(who: str, board: Board, user: User) -> None:
    more = {name: value and value.replace("PORT", str(board.port)) for name, value in OTHERS[who].items()}
    before, asked = everything(user), sum(user.store.requests.values())
    for path in {**READS, **ACTS}.values():
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            answer = board.ask(path, method, b"x", more)
            assert answer.status in (401, 403), (method, path, answer)
            assert RUN.encode() not in answer.body
            assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert sum(user.store.requests.values()) - asked <= 3, "but for our own look at what is there"
    assert everything(user) == before
    assert board.calls.made == []
    assert not board.folder.exists()


def test_the_page_itself_can_read(board: Board) -> None:
    assert board.get("/api/runs")["rows"][0]["run"] == RUN
    assert board.get(RUN_PATH)["phase"] == "shuffling"
    by_name = {"Host": f"localhost:{board.port}", "Origin": f"http://localhost:{board.port}"}
    assert board.ask(RUN_PATH, more=by_name).status == 200
    assert board.ask(RUN_PATH, more={"Origin": None, "Sec-Fetch-Site": "same-origin"}).status == 200


@pytest.mark.parametrize("doubled", ["Host", "Origin", "Authorization"])
def test_of_two_headers_none_is_believed(doubled: str, board: Board) -> None:
    own = list(board.headers().items())
    for other in ("evil.example", dict(own)[doubled]):
        assert board.raw("GET", RUN_PATH, [*own, (doubled, other)]).status == 400


def test_without_the_token_there_is_the_page_alone_and_it_holds_nothing(board: Board) -> None:
    nothing = {"Authorization": None, "Origin": None}
    for path in ("/", *(f"/page/{name}" for name in FILES)):
        answer = board.ask(path, more=nothing)
        assert answer.status == 200, path
        assert not re.search(rb"wordcount|the-token|2026\d", answer.body), path
    folder = Path(__file__).resolve().parents[4] / "scripts/serving/page"
    assert {path.name for path in folder.iterdir()} == {*FILES, "dashboard.html"}
    for path in ("/page/dashboard.html", "/page/../app.py", "/page/%2e%2e%2fapp.py", "/page/", "/other"):
        assert board.ask(path, more=nothing).status == 401
    assert board.ask("/", more=nothing | {"Host": "evil.example"}).status == 403


def test_a_browser_is_told_to_keep_others_out(board: Board) -> None:
    for path in ("/", "/page/talk.js", "/api/runs", f"/report/0/wordcount/{RUN}", "/nowhere"):
        headers = board.ask(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        assert "set-cookie" not in headers
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert policy.startswith("sandbox" if path.startswith("/report/") else "default-src 'none'")
        assert "unsafe" not in policy


def test_a_report_opens_with_its_own_key_alone(board: Board, user: User) -> None:
    begin(user.store, run_keys("20261121T032425-other"), results("20261121T032425-other"))
    reports = {row["run"]: row["report"] for row in board.get("/api/runs")["rows"]}
    plain = {"Authorization": None, "Origin": None}
    opened = board.ask(reports[RUN], more=plain)
    assert opened.status == 200
    assert RUN.encode() in opened.body
    key = reports[RUN].partition("?key=")[2]
    assert key != TOKEN
    for path in (
        f"/report/0/wordcount/20261121T032425-other?key={key}",
        f"/report/0/wordcount/{RUN}/?key={key}",
        f"/report/0/wordcount/{RUN}?key={key[:-1]}",
        f"/report/0/wordcount/{RUN}?key={TOKEN}",
        f"/report/0/wordcount/{RUN}?key=%FF",
        f"{RUN_PATH}?key={key}",
        f"/api/runs?key={key}",
    ):
        assert board.ask(path, more=plain).status == 401, path
    assert board.ask(reports[RUN], more=plain | {"Host": "evil.example"}).status == 403
    assert board.ask(reports[RUN], more=plain | {"Sec-Fetch-Site": "cross-site"}).status == 403


def test_the_token_is_nowhere_in_what_is_told(board: Board) -> None:
    for path in ("/api/sources", "/api/runs", RUN_PATH):
        assert TOKEN.encode() not in board.ask(path).body


def test_it_listens_on_loopback_alone(board: Board) -> None:
    assert board.serving.listening.getsockname()[0] == "127.0.0.1"
    with pytest.raises(OSError):  # noqa: PT011 (of all loopback it is this one address)
        socket.create_connection(("127.0.0.2", board.port), timeout=2).close()
    with pytest.raises(UserError, match="cannot be listened at"):
        listen(board.port)


def test_names_and_tokens_that_are_no_ascii_are_refused_and_break_nothing() -> None:
    door = Door(1, TOKEN)
    told = {"host": "127.0.0.1:1", "authorization": "Bearer \xe4\u20ac"}
    assert refusal(door, "/api/runs", {}, told) is not None
    assert refusal(door, "/report/0/a/b", {"key": "\u20ac"}, {"host": "127.0.0.1:1"}) is not None
