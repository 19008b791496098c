"""`scripts/report.py`: a page that asks for nothing and obeys nobody, whatever the run is like."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report_page import made_up
from chalicelib.core.errors import UserError
from chalicelib.core.keys import OutputKeys
from chalicelib.core.messages import Stats, encode
from chalicelib.core.tasks import BadRecord, MapMarker
from scripts import report
from scripts.reporting.markup import data, tag
from scripts.reporting.page import page
from tests.features.test_report import Page
from tests.unit.scripts.user import (
    BOOM,
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

SHIPPED = ROOT / "scripts/reporting/page"


def write(user: User, *argv: str) -> str:
    """The page that the command writes, of the user's runs."""
    world = report.World(
        root=user.root, environ={}, screen=user.screen(), clock=user.clock,
        open_store=lambda work, runs: user.store,
    )  # fmt: skip
    path = user.root / "report.html"
    assert report.main(["wordcount", "-o", str(path), *argv], world) == 0
    return path.read_text("utf-8")


@given(st.text(), st.text())
def test_whatever_a_text_is_the_page_shows_it_as_text(one: str, other: str) -> None:
    found = Page("<!doctype html>" + tag("p", one, title=other) + data({"a": one, other: 1}, "figures"))
    assert [name for name, _ in found.elements] == ["p", "script"]
    assert found.figures == {"a": one, other: 1} | ({"a": 1} if other == "a" else {})


def test_what_a_name_hides_is_shown() -> None:
    assert tag("td", "a\x1b[2J\u202eb\ud800") == "<td>a\\x1b[2J\\u202eb\\ud800</td>"


def test_the_page_may_run_and_show_what_is_in_it_and_load_nothing() -> None:
    found = Page(page(made_up(40)))
    (policy,) = [a["content"] for _, a in found.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.keys() == {"default-src", "script-src", "style-src", "base-uri", "form-action"}
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for kind in ("script", "style"):
        bodies = [body for name, body in found.scripts.items() if name.startswith(f"{kind} ")]
        digests = [base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies]
        assert rules[f"{kind}-src"].split() == [f"'sha256-{digest}'" for digest in digests]
        assert len(bodies) == 2
    assert (SHIPPED / "uPlot.LICENSE").read_text().strip() in found.scripts["script 3"], (
        "each copy carries it"
    )
    for _, attributes in found.elements:
        assert not {"src", "href", "style", "action", "srcset"} & attributes.keys()


def test_what_is_shipped_in_it_is_what_the_notes_say() -> None:
    told = dict(re.findall(r"\| `([^`]+)` \| `([0-9a-f]{64})` \|", (SHIPPED / "README.md").read_text()))
    assert told.keys() == {"uPlot.iife.min.js", "uPlot.min.css"}
    for name, digest in told.items():
        assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == digest
    for path in SHIPPED.glob("*.[jc]s*"):
        assert "</" not in re.sub(r"</(?!script|style)", "", path.read_text()), "it would end its own element"


def test_ten_thousand_tasks_are_a_small_page() -> None:
    text = page(made_up(10_000))
    assert len(text.encode()) < 3_000_000
    found = Page(text)
    assert found.figures["attempts"]["n"] > 10_000
    assert len(found.elements) < 3000, "the tasks are drawn, and no element each"


def test_a_run_with_nothing_but_a_manifest_has_a_page(user: User) -> None:
    user.job()
    finish(user.store, run_keys(), results(), BOOM)
    user.store.delete("demo-work", [run_keys().run_done.key])
    found = Page(write(user))
    assert "plan and markers are gone" in found.shown
    assert "no number: 'x'" in found.shown
    assert "ValueError: \\x1b[31mx" in found.shown
    assert "\x1b" not in found.shown


def test_a_run_that_has_just_begun_has_a_page(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results(), tasks=3)
    found = Page(write(user))
    assert "0 of 3" in found.shown
    assert "3 under way" in found.shown


def test_a_damaged_object_is_named_and_the_rest_is_shown(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results(), tasks=1)
    user.store.put(run_keys().done("map", 0), b"{")
    assert run_keys().done("map", 0).url in Page(write(user)).shown


def test_a_damaged_list_of_bad_records_is_named_and_what_comes_before_is_shown(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results(), tasks=1)
    loc = run_keys().quarantine("map", 0, 0, "t")
    record = BadRecord(
        phase="map",
        source="s3://in/a.txt",
        offset=7,
        line=2,
        error="E: bad",
        traceback="",
        text="x<y",
        record="",
    )
    user.store.put(loc, encode(record) + b"\n{}\n" + encode(record)[:20])
    marker = MapMarker(
        task=0, attempt=0, token="t", run_file="", offsets=b"", bad=1, quarantine=loc.key, stats=Stats(),
        started=T0, finished=T0 + 1,
    )  # fmt: skip
    user.store.put(run_keys().done("map", 0), encode(marker))
    shown = Page(write(user)).shown
    assert "s3://in/a.txt, byte 7, line 2" in shown
    assert "x<y" in shown
    assert f"{loc.url}: expected a BadRecord" in shown


def test_the_trace_alone_writes_no_page(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    user.job()
    begin(user.store, run_keys(), results(), tasks=1)
    world: Any = report.World(
        root=user.root,
        environ={},
        screen=user.screen(),
        clock=user.clock,
        open_store=lambda work, runs: user.store,
    )
    assert report.main(["wordcount", "--trace", "trace.json"], world) == 0
    assert json.loads((tmp_path / "trace.json").read_text())["otherData"]["run"] == run_keys().run
    assert not (tmp_path / "report.html").exists()


def test_a_place_that_cannot_be_written_is_named(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    with pytest.raises(UserError, match=r"nowhere/x\.html: cannot be written: No such file"):
        write(user, "-o", str(user.root / "nowhere/x.html"))


def test_the_script_reads_a_run_of_this_machine(tmp_path: Path) -> None:
    local_run(tmp_path)
    done = run_script(
        str(ROOT / "scripts/report.py"), "wordcount", "--work", str(tmp_path / "work"),
        "-o", str(tmp_path / "r.html"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r".*r\.html: \d+\.\d KiB; open it in any browser\n", done.stdout)
    assert "1,234 in 1 part" in Page((tmp_path / "r.html").read_text()).shown
    assert OutputKeys(results()).manifest.key not in done.stdout
