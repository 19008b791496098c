"""Chromium as the system has it, without a screen, driven by Playwright; tests are skipped where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

#: Pictures of what tests have seen; git ignores them.
ARTEFACTS = Path(__file__).resolve().parents[2] / "test-artefacts"
#: Milliseconds until a test gives up; a run on the emulator takes seconds.
PATIENCE = 60_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; skips the test, with the reason, where it or its driver is not there."""
    sync_api: Any = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright here: make setup installs it"
    )
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        pytest.skip("no Chromium here: Debian has it as the package `chromium`")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=binary, args=[*root, "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """A window of the browser, and all that has gone wrong in it."""

    def __init__(self, browser: Browser, name: str, **how: Any) -> None:
        self.name, self.wrong = name, list[str]()
        self.context: BrowserContext = browser.new_context(**how)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.watched(self.context.new_page())

    def watched(self, page: Page) -> Page:
        page.on(
            "console",
            lambda message: message.type in ("error", "warning") and self.wrong.append(message.text),
        )
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (self.wrong.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        return page

    def picture(self, what: str) -> None:
        """Keep what the window shows."""
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{self.name}-{what}.png")

    def opened(self, click: Callable[[], None]) -> Page:
        """The window that a click opens."""
        with self.context.expect_page() as found:
            click()
        page = self.watched(found.value)
        page.wait_for_selector("h1", timeout=10_000)
        return page

    def drop(self, files: dict[str, str]) -> None:
        """Drop files on the page, as from the desktop."""
        carried = self.page.evaluate_handle(
            """(files) => {
              const carried = new DataTransfer();
              for (const [name, text] of Object.entries(files)) carried.items.add(new File([text], name));
              return carried;
            }""",
            files,
        )
        for event in ("dragenter", "dragover", "drop"):
            self.page.dispatch_event("body", event, {"dataTransfer": carried})


@contextmanager
def window(browser: Browser, name: str, **how: Any) -> Iterator[Window]:
    """A window of its own, whose pictures begin with `name`; when it closes nothing may have gone wrong in it."""
    made = Window(browser, name, **how)
    try:
        yield made
    finally:
        made.context.close()
    assert made.wrong == []
