"""The dashboard in a browser, against real deployments on the emulator: what people do all day and at night."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cloud.harness import IN, OUT, PATIENCE, WORK, Cloud
from tests.worlds.browser import Window, chromium, window

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(browser: Browser, cloud: Cloud) -> Iterator[str]:
    """Where the dashboard of both jobs is, as the command itself prints it."""
    process = cloud.started("dashboard", "small", "scripted", "--port", "0", "--every", "0.2")
    assert process.stdout
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), address + process.stdout.read()
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


@pytest.fixture
def seen(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Window]:
    name = request.node.name.removeprefix("test_")
    with window(browser, name, viewport={"width": 1280, "height": 900}) as made:
        made.page.goto(address)
        made.page.wait_for_selector("#drop-job option >> nth=1", state="attached")
        made.page.evaluate("window.loadedOnce = true")
        yield made
        assert made.page.evaluate("window.loadedOnce"), "the page was loaded again"


def drop(seen: Window, job: str, files: dict[str, str]) -> str:
    """Drop files for a job, and wait until the run that this starts is shown; its id."""
    seen.page.select_option("#drop-job", label=job)
    seen.drop(files)
    seen.page.wait_for_selector("main#run:visible h2")
    return seen.page.inner_text("h2 small")


def ended(seen: Window, how: str) -> str:
    """Wait until the run that is shown has ended so; its id."""
    seen.page.wait_for_selector(f"#run .verdict.{how}")
    return seen.page.inner_text("h2 small")


def test_a_file_is_dropped_and_its_run_finishes_before_one_s_eyes(cloud: Cloud, seen: Window) -> None:
    run = drop(seen, "small", {"on the page +%.txt": "red blue red\n"})
    assert ended(seen, "succeeded") == run
    found = cloud.wait("small", [f"s3://{IN}/small/on the page +%.txt"])
    (one,) = found.values()
    assert (one.run, one.counts()) == (run, {"red": 2, "blue": 1})
    seen.picture("run")
    report = seen.opened(lambda: seen.page.click("text=Report"))
    assert run in report.title()
    assert "Timeline" in report.inner_text("main")
    seen.page.click("text=All runs")
    seen.page.wait_for_selector(f"#runs .row.succeeded:has-text('{run}')")
    seen.picture("list")


def test_a_failed_job_is_mended_and_run_again_and_bad_records_are_run_again(
    cloud: Cloud, seen: Window
) -> None:
    """The traceback within three clicks of the list; then the job is changed and deployed, twice."""
    page = seen.page
    failed = drop(seen, "scripted", {"bad one.txt": "!say hello\n!raise alarm\n", "good one.txt": "blue\n"})
    ended(seen, "failed")
    page.click("text=All runs")
    page.click(f"#runs .row.failed:has-text('{failed}')")  # the first click
    told = page.inner_text("pre.traceback >> nth=0")
    assert "scripted.py" in told
    assert "ValueError: this line is cursed: alarm" in told
    seen.picture("traceback")
    page.click("summary:has-text('Log')")
    page.wait_for_selector(".line:has-text('printed hello')", state="attached")
    seen.picture("log")

    yml = cloud.root / "jobs/scripted.yml"
    before = yml.read_text()
    try:
        yml.write_text(before + "bad_records: {policy: quarantine, max_fraction: 1}\n")
        cloud.script("deploy", "scripted", check=True)
        page.click("button:has-text('Run again')")
        page.wait_for_selector(f"h2 small:not(:has-text('{failed}'))")
        again = ended(seen, "succeeded")
        assert cloud.get(OUT, f"scripted/{again}/_SUCCESS") is not None
        page.click("summary:has-text('Bad records')")
        page.wait_for_selector("text=1 bad record: 1 ValueError")
        assert "!raise alarm" in (page.text_content(".bad pre") or "")
        seen.picture("bad-records")
        page.click("button:has-text('Run bad records again')")
        page.wait_for_selector(f"h2 small:not(:has-text('{again}'))")
        redriven = ended(seen, "succeeded")
        source = cloud.plan("scripted", redriven)["source"]
        assert cloud.get(IN, source.removeprefix(f"s3://{IN}/")).count(again.encode()) == 1
    finally:
        yml.write_text(before)
        cloud.script("deploy", "scripted", check=True)


def test_a_long_run_is_stopped(cloud: Cloud, seen: Window) -> None:
    page, gate = seen.page, "let it go"
    run = drop(seen, "scripted", {"long one.txt": f"red\n!wait {gate}\n"})
    try:
        page.wait_for_selector("#run .verdict.mapping")
        page.click("button:has-text('Stop')")
        page.fill("#stop-why", "wrong input")
        seen.picture("asked")
        page.click("#stop-yes")
        assert ended(seen, "failed") == run
        page.wait_for_selector("text=nothing more is committed")
        assert re.search("stopped by .*: wrong input", page.inner_text(".reason >> nth=0"))
        seen.picture("stopped")
    finally:
        cloud.put(WORK, gate)
    assert "wrong input" in cloud.get(OUT, f"scripted/{run}/_FAILED").decode()
    assert cloud.find(OUT, f"scripted/{run}/_SUCCESS") is None
