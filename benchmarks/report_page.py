"""A report of 10 000 tasks: how large its file is and, in headless Chromium, how soon it is painted and moves.

    python -m benchmarks.report_page [--tasks N] [--keep FILE]

Chromium is driven by Playwright, which is no requirement of this project: `pip install playwright`, and the browser as
the system has it (Debian's `chromium`). Without them it tells of the file alone. The exit code is 1 if anything is
wrong: an error on the page, light, dark or on a phone, a request, or a figure beyond what it is held to.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from chalicelib.core.messages import Stats
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.core.tasks import Failure, ReducePlan, ReduceTask
from chalicelib.run.status.attempts import Attempt, History, StepHistory
from chalicelib.run.status.fields import PhaseStatus, RunStatus
from scripts.reporting.gather import Seen
from scripts.reporting.page import page

BEGUN = 1_795_232_664.0
_PARTITIONS, _AT_ONCE = 4096, 800
#: What a report of 10 000 tasks is held to: bytes, and milliseconds.
MOST_BYTES, MOST_PAINT, MOST_FRAME = 3_000_000, 2000, 200
#: Milliseconds after which a page has settled.
_SETTLED = 1000
#: Who looks at it: (name, colours, width).
LOOKS = (("light", "light", 1200), ("dark", "dark", 1200), ("phone", "light", 390))
#: What is to be seen on the timeline, by the names of its colours; what is missing of it.
_COLOURS = ["code", "wait", "slow", "failed", "overtaken", "merge"]
_MISSING = """
(names) => {
  const canvas = document.getElementById("canvas");
  const image = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set(new Uint32Array(image.data.buffer));
  const style = getComputedStyle(document.documentElement);
  return names.filter((name) => {
    const value = parseInt(style.getPropertyValue(`--${name}`).trim().slice(1), 16);
    return !seen.has(((255 << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0);
  });
}
"""
_MEASURE = """
async () => {
  const canvas = document.getElementById("canvas"), gaps = [];
  canvas.focus();
  let last = performance.now(), on = true;
  const watch = (now) => { gaps.push(now - last); last = now; if (on) requestAnimationFrame(watch); };
  requestAnimationFrame(watch);
  const keys = ["+", "+", "+", "ArrowRight", "]", "]", "ArrowDown", "+", "-", "[", "-", "-", "0"];
  for (let round = 0; round < 6; round++) for (const key of keys) {
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
    await new Promise(requestAnimationFrame);
  }
  on = false;
  return Math.max(...gaps.slice(1));
}
"""


def made_up(tasks: int, seed: int = 1) -> Seen:
    """A run of so many map tasks with everything in it that a report can show: failures, stragglers, skew."""
    chance = random.Random(seed)
    attempts: list[Attempt] = []
    free = [BEGUN + chance.uniform(0.1, 0.5) for _ in range(min(_AT_ONCE, tasks))]
    for task in range(tasks):
        lane = min(range(len(free)), key=free.__getitem__) if tasks < 500 else task % len(free)
        attempts += _task(chance, "map", task, BEGUN, free[lane])
        free[lane] = (attempts[-1].finished or free[lane]) + 0.02
    reduced = max(free)
    reducers = max(1, tasks // 25)
    for task in range(reducers):
        attempts += _task(chance, "reduce", task, reduced, reduced + chance.uniform(0.1, 0.6))
    return _seen(attempts, tasks, reducers, chance)


def _task(chance: random.Random, phase: Any, task: int, ready: float, start: float) -> list[Attempt]:
    """One task's attempts: now and then a failure or a straggler before the one that counts."""
    found: list[Attempt] = []
    number = 0
    if chance.random() < 0.01:
        failure = Failure(
            phase=phase, task=task, attempt=0, error="OSError", message=f"not yet: {task % 7}", at=start + 1
        )
        found.append(
            Attempt(0, phase, task, 0, "failed", ready, start, start + 1, Stats(seconds=1.0), failure=failure)
        )
        ready, start, number = start + 1, start + 1.2, 1
    elif chance.random() < 0.01:  # a straggler, or a call that came twice
        slow = chance.random() < 0.5
        stats = Stats(seconds=40.0)
        found.append(Attempt(0, phase, task, 0, "overtaken", ready, start, start + 40, stats, slow=slow))
        start, number = start + 9 * slow, int(slow)
    size = round(chance.lognormvariate(17.5, 0.3))
    seconds = chance.lognormvariate(1.5, 0.4)
    parts = [round(seconds * share, 3) for share in (0.02, 0.3, 0.5)]
    stats = Stats(
        records_in=size // 90, records_out=size // 400, bytes_in=size, bytes_out=size // 8, seconds=seconds,
        spilled=size if chance.random() < 0.02 else 0, starts=1, cold=int(task < _AT_ONCE), starting=parts[0],
        reading=parts[1], code=parts[2], memory=2048, peak=round(chance.gauss(300, 40)), gets=9, puts=3,
    )  # fmt: skip
    found.append(Attempt(0, phase, task, number, "done", ready, start, start + seconds, stats))
    return found


def _seen(attempts: list[Attempt], tasks: int, reducers: int, chance: random.Random) -> Seen:
    spec = JobSpec(
        job="wordcount:WordCount",
        input=InputSpec(url="s3://in/"),
        work=PlaceSpec(url="s3://work/"),
        output=OutputSpec(url="s3://out/"),
    )
    ended = max(one.finished or 0.0 for one in attempts)
    sizes = [round(chance.lognormvariate(13, 1)) for _ in range(_PARTITIONS)]
    edges = [_PARTITIONS * number // reducers for number in range(reducers + 1)]
    plan = Plan(
        job="wordcount", run="20261121T032424-0123456789ab", token="", source="s3://in/", head=0, spec=spec,
        work=Loc("work", ""), output=Loc("out", "r/"), partitions=_PARTITIONS, tasks=tasks, page=32, pages=(),
        inputs=tasks, bytes=tasks << 26, created=BEGUN, code="c",
    )  # fmt: skip
    reduce_tasks = [
        ReduceTask(first=low, last=high, bytes=sum(sizes[low:high])) for low, high in pairwise(edges)
    ]
    step = StepHistory(
        number=0,
        role="work",
        plan=plan,
        reduce_plan=ReducePlan(
            tasks=tuple(reduce_tasks), mapped=Stats(), counters={}, map_started=BEGUN, map_finished=ended
        ),
        attempts=tuple(attempts),
        partitions=tuple(sizes),
        parts={task: (size.bytes, size.bytes // 20) for task, size in enumerate(reduce_tasks)},
    )
    status = RunStatus(
        job=plan.job, run=plan.run, phase="succeeded", work="s3://work/", output="s3://out/r/", source=plan.source,
        map=PhaseStatus(done=tasks, total=tasks, failed_attempts=0, stats=Stats(), measured=tasks),
        reduce=PhaseStatus(done=reducers, total=reducers, failed_attempts=0, stats=Stats(), measured=reducers),
        attempts_failed=0, bad=0, counters={f"counter {n}": n for n in range(20)}, continued=0, failures=(),
        started=BEGUN, finished=ended, elapsed=ended - BEGUN, cost=12.3,
    )  # fmt: skip
    history = History(steps=(step,), quarantine=(), problems=())
    return Seen(status=status, history=history, bad=(), now=ended)


def in_chromium(path: Path) -> tuple[list[str], list[str]]:
    """What a headless browser measures, for people, and what is wrong."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return ["no Playwright here: pip install playwright"], []
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        return ["no Chromium here"], []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        wrong = [told for look in LOOKS for told in _looked_at(chromium, path, *look)]
        shown = chromium.new_page(viewport={"width": 1200, "height": 900})
        shown.goto(path.absolute().as_uri())
        shown.wait_for_timeout(_SETTLED)
        paint = shown.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        loaded = shown.evaluate("performance.timing.loadEventEnd - performance.timing.navigationStart")
        frame = shown.evaluate(_MEASURE)
        chromium.close()
    if paint > MOST_PAINT:
        wrong.append(f"first paint after {paint:.0f} ms, expected at most {MOST_PAINT}")
    if frame > MOST_FRAME:
        wrong.append(f"a frame took {frame:.0f} ms, expected at most {MOST_FRAME}")
    told = [
        f"first paint after {paint:.0f} ms, loaded with all charts after {loaded:.0f} ms",
        f"longest frame while zooming and moving: {frame:.0f} ms",
    ]
    return told, wrong


def _looked_at(chromium: Any, path: Path, name: str, scheme: str, width: int) -> list[str]:
    """What is wrong with the page as somebody sees it: errors, requests, what is wider than the screen, no picture."""
    found: list[str] = []
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    shown = context.new_page()
    shown.on("console", lambda message: found.append(f"{name}: {message.text}"))
    shown.on("pageerror", lambda error: found.append(f"{name}: {error}"))
    shown.on(
        "request", lambda request: request.is_navigation_request() or found.append(f"{name}: {request.url}")
    )
    shown.goto(path.absolute().as_uri())
    shown.wait_for_timeout(_SETTLED)
    if shown.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append(f"{name}: the page is wider than {width} pixels")
    found += [
        f"{name}: nothing on the timeline has the colour of {missing}"
        for missing in shown.evaluate(_MISSING, _COLOURS)
    ]
    shown.focus("#canvas")
    shown.keyboard.press("n")
    if "map task 0, attempt 0" not in shown.inner_text("#told"):
        found.append(f"{name}: the keyboard chooses no attempt")
    context.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=10_000, help="map tasks (default %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep the page here")
    options = parser.parse_args()
    seen = made_up(options.tasks)
    began = time.perf_counter()
    text = page(seen)
    took, size = time.perf_counter() - began, len(text.encode())
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "report.html"
        path.write_text(text, "utf-8")
        print(f"{options.tasks:,} map tasks: {size / 1e6:.2f} MB, written in {took:.2f} s")
        told, wrong = in_chromium(path)
    if size > MOST_BYTES:
        wrong.append(f"the page has {size:,} bytes, expected at most {MOST_BYTES:,}")
    print("\n".join([*told, *(f"WRONG: {one}" for one in wrong)]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
