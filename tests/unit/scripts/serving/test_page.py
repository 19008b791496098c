"""The page in a browser, over a work folder: what it shows of hostile runs, on a phone, by keyboard, and to others."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.stores.folder import FolderStore
from tests.unit.scripts.serving.board import TOKEN, Board, board_of
from tests.unit.scripts.user import BOOM, RUN, T0, User, begin, finish, results, run_keys
from tests.worlds.browser import chromium, window

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

#: What would show if any text were taken for HTML.
HOSTILE = (
    "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)><b id=owned>\u202etxt.exe\x1b[2J"
)
FORBIDDEN = (
    "document.body.innerHTML = '<b>x</b>'",
    "trustedTypes.createPolicy('default', {createHTML: (x) => x})",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@contextmanager
def local(folder: Path, runs: int = 1) -> Iterator[tuple[Board, FolderStore]]:
    """Runs in a work folder; the newest has failed, and all it tells is hostile."""
    work, output, failed = folder / "work", folder / "results", folder / "failed"
    for made in (work, output, failed, folder / "user"):
        made.mkdir()
    store = FolderStore([work, output, failed])
    for number in range(runs - 1):
        keys = RunKeys(Loc(str(work), ""), "wordcount", f"20261120T{number:06d}-a")
        begin(store, keys, Loc(str(output), f"{number}/"), source="a.txt")
        finish(store, keys, Loc(str(output), f"{number}/"))
    keys = RunKeys(Loc(str(work), ""), "wordcount", RUN)
    begin(store, keys, Loc(str(failed), ""), source=f"/in/{HOSTILE}")
    finish(store, keys, Loc(str(failed), ""), replace(BOOM, message=HOSTILE, detail=f"Traceback:\n{HOSTILE}"))
    log = work / keys.log("0").key
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(json.dumps({"at": T0, "level": HOSTILE, "message": HOSTILE, "run": RUN}) + "\n")
    with board_of(User(folder / "user"), works=(str(work),)) as board:
        yield board, store


def test_whatever_a_run_tells_is_text(browser: Browser, tmp_path: Path) -> None:
    with local(tmp_path) as (board, _), window(browser, "hostile") as seen:
        page = seen.page
        page.goto(board.serving.door.url)
        page.click(".row.failed")
        shown = page.inner_text("pre.traceback")
        assert "<img src=x onerror=alert(2)><b id=owned>\\u202etxt.exe\\x1b[2J" in shown
        assert HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b") in page.inner_text(".reason")
        assert f"/in/{HOSTILE[:20]}" in page.inner_text("dl")
        page.click("summary:has-text('Log')")
        assert HOSTILE[:30] in (page.text_content(".line") or "")
        seen.picture("run")
        assert page.query_selector_all("#owned, main script, main img") == []
        assert seen.wrong == []
        for script in FORBIDDEN:  # were text taken for HTML somewhere, the browser would not have it
            told = page.evaluate(
                f"() => {{ try {{ {script}; return ''; }} catch (error) {{ return String(error); }} }}"
            )
            assert re.search("TrustedHTML|disallowed|unsafe-eval", told), (script, told)
        seen.wrong.clear()
        report = seen.opened(lambda: page.click("text=Report"))
        report.wait_for_load_state()
        assert RUN in report.title()
        assert report.evaluate("origin") == "null", "a report is not of the dashboard's origin"
        assert report.query_selector_all("#owned, img") == []


def test_on_a_phone_and_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    phone = {"viewport": {"width": 360, "height": 700}, "color_scheme": "dark", "has_touch": True}
    with local(tmp_path, runs=40) as (board, _), window(browser, "phone", **phone) as seen:
        page = seen.page
        page.goto(board.serving.door.url)
        page.wait_for_selector(".row.failed")
        wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(wider)
        seen.picture("list")
        page.focus("#by-text")
        page.keyboard.press("Tab")
        assert RUN in page.evaluate("document.activeElement.textContent")
        page.keyboard.press("ArrowDown")
        assert "20261120T000038-a" in page.evaluate("document.activeElement.textContent")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        page.wait_for_selector("pre.traceback")
        assert page.evaluate("document.activeElement.tagName") == "H2"
        assert not page.evaluate(wider)
        seen.picture("run")
        page.go_back()
        page.fill("#by-text", "000007")
        page.wait_for_selector("#counted:text-is('1 run')")
        assert "20261120T000007-a" in page.inner_text("#runs")


def test_a_list_of_thousands_holds_the_rows_in_sight_and_shows_each(browser: Browser, tmp_path: Path) -> None:
    with local(tmp_path, runs=250) as (board, store), window(browser, "many") as seen:
        page = seen.page
        page.goto(board.serving.door.url)
        page.wait_for_selector(".row.failed")
        assert page.inner_text("#counted") == "250 runs"
        for place, number in ((1.0, 0), (0.5, 124)):
            page.evaluate("(place) => scrollTo(0, place * document.documentElement.scrollHeight)", place)
            page.wait_for_selector(f".row:has-text('20261120T{number:06d}-a')")
            assert page.locator(".row").count() < 60
        keys = RunKeys(Loc(str(tmp_path / "work"), ""), "wordcount", "20261122T000000-new")
        page.evaluate("scrollTo(0, 0)")
        begin(store, keys, Loc(str(tmp_path / "results"), "new/"), source="new.txt")
        page.wait_for_selector(".row.shuffling:has-text('20261122T000000-new')")
        assert page.inner_text("#counted") == "251 runs"
        finish(store, keys, Loc(str(tmp_path / "results"), "new/"))
        page.wait_for_selector(".row.succeeded:has-text('20261122T000000-new')")


#: What a page of another origin can try; each says what it got.
ATTACK = """
async (at) => {
  const found = [];
  const run = `${at}/api/run/0/wordcount/RUN`;
  const tries = [[`${at}/api/runs`, "GET"], [`${run}/stop`, "POST"], [`${at}/page/talk.js`, "GET"]];
  for (const mode of ["cors", "no-cors"]) for (const [path, method] of tries) {
    try {
      const answer = await fetch(path, { method, mode, credentials: "include" });
      found.push(`${mode} ${path}: ${answer.type} ${(await answer.text()).length}`);
    } catch (error) { found.push("refused"); }
  }
  try {
    await fetch(`${run}/stop`, { method: "POST", headers: { authorization: "Bearer TOKEN" } });
    found.push("stopped");
  } catch { found.push("refused"); }
  const frame = document.createElement("iframe");
  frame.src = `${at}/#token=TOKEN`;
  document.body.append(frame);
  await new Promise((go) => { frame.onload = go; });
  try { found.push(`frame ${frame.contentDocument.body.textContent}`); } catch { found.push("refused"); }
  const script = document.createElement("script");
  script.src = `${at}/page/talk.js`;
  script.type = "module";
  document.body.append(script);
  found.push(await new Promise((go) => { script.onload = () => go("loaded"); script.onerror = () => go("refused"); }));
  const form = document.createElement("form");
  form.action = `${run}/stop`;
  form.method = "POST";
  form.target = "aside";
  document.body.append(form);
  form.submit();
  await new Promise((go) => setTimeout(go, 300));
  return found;
}
"""


class _Evil(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another page</title><iframe name=aside></iframe><p>hello")

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_of_another_origin_gets_and_does_nothing(browser: Browser, tmp_path: Path) -> None:
    """Even if it knew the token: its browser sends no such request, and none of its own is answered."""
    user = User(tmp_path)
    user.job()
    begin(user.store, run_keys(), results())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Evil)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with board_of(user) as board:
            context = browser.new_context()
            own = context.new_page()
            own.goto(
                board.serving.door.url
            )  # whoever is attacked has the dashboard open, and the token stored
            own.wait_for_selector(".row.shuffling")
            for host in ("127.0.0.1", "localhost"):
                page = context.new_page()
                page.goto(f"http://{host}:{server.server_port}/")
                script = ATTACK.replace("RUN", RUN).replace("TOKEN", TOKEN)
                found = page.evaluate(script, f"http://127.0.0.1:{board.port}")
                opaque = [
                    told for told in found if told.startswith("no-cors ") and told.endswith(": opaque 0")
                ]
                assert set(found) - {*opaque, "refused"} == set(), found
            assert board.get(f"/api/run/0/wordcount/{RUN}")["ended"] is False
            context.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
