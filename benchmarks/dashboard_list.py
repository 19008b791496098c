"""The dashboard's list of 10 000 runs in headless Chromium: its first paint, its first rows, its longest frame.

    python -m benchmarks.dashboard_list

The exit code is 1 if the paint or a frame takes longer than it is held to.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.unit.scripts.serving.board import board_of
from tests.unit.scripts.user import User, begin, finish, results, run_keys
from tests.worlds.browser import chromium

RUNS, MOST_PAINT, MOST_FRAME = 10_000, 2000, 200
_SCROLL = """
async () => {
  const gaps = [];
  let last = performance.now(), on = true;
  const watch = (now) => { gaps.push(now - last); last = now; if (on) requestAnimationFrame(watch); };
  requestAnimationFrame(watch);
  for (let i = 0; i < 200; i++) {
    scrollBy(0, i % 50 === 49 ? 40000 : 700);
    await new Promise(requestAnimationFrame);
  }
  on = false;
  return Math.max(...gaps.slice(1));
}
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        user = User(Path(folder))
        user.job()
        for number in range(RUNS):
            run = f"20261120T{number:06d}-a"
            begin(user.store, run_keys(run), results(run))
            finish(user.store, run_keys(run), results(run))
        with board_of(user) as board, chromium() as browser:
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            began = time.perf_counter()
            page.goto(board.serving.door.url)
            page.wait_for_selector("#runs .row.succeeded")
            rows = time.perf_counter() - began
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            frame = page.evaluate(_SCROLL)
    print(
        f"{RUNS:,} runs: first paint after {paint:.0f} ms, first rows after {rows:.1f} s, longest frame {frame:.0f} ms"
    )
    return int(paint > MOST_PAINT or frame > MOST_FRAME)


if __name__ == "__main__":
    sys.exit(main())
