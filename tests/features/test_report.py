"""The report of whole runs, compared with what a world in virtual time saw of every attempt."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc, Runtime
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.core.tasks import ReducePlan
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.run.status.attempts import read_history
from chalicelib.run.status.collect import list_runs
from chalicelib.stores.folder import FolderStore
from scripts.reporting.columns import OUTCOMES
from scripts.reporting.gather import Seen, look
from scripts.reporting.page import page
from scripts.reporting.slow import slowest
from scripts.reporting.trace import trace
from tests.worlds.parallel import Parallel
from tests.worlds.simulation import HANDLERS, SCRATCH, WORK, Killed, Simulation, spec

SECONDS, LONG, SOON = 4.0, 150.0, 1.0
PHASES = {"mapper": "map", "reducer": "reduce"}


class Odd(Job):
    """Every task takes four seconds; the first attempt at one of them has trouble."""

    cloud: Watched

    def mapper(self, _: Any, line: str) -> Any:
        trouble = self.params["trouble"]
        if line == "odd" and "met" not in self.cloud.notes and trouble != "none":
            self.cloud.notes.add("met")
            self.cloud.pause(SOON if trouble == "fails" else LONG)
            if trouble == "lost":
                self.cloud.die()
            if trouble == "fails":
                raise OSError("not yet")
        if line == "never":
            raise ValueError("</script><script>alert(1)</script>")
        self.cloud.pause(SECONDS)
        self.count("<b>lines</b>")
        yield line, 1

    reducer = Sum()


class Watched(Parallel):
    """Writes down when each invocation of a task began and ended, and whether it vanished."""

    def __init__(self, trouble: str, scratch: Path, **figures: Any) -> None:
        #: By (phase, task, attempt): (began, ended, vanished).
        self.saw: dict[tuple[str, int, int], tuple[float, float, bool]] = {}
        figures = {
            "split_size": 3,
            "partitions": 8,
            "reduce_size": 1,
            "params": {"trouble": trouble},
            **figures,
        }
        super().__init__(Odd, spec(**figures), scratch, handlers=self._watched())

    def _watched(self) -> dict[str, Callable[[Runtime, dict[str, Any]], object]]:
        def watched(name: str) -> Callable[[Runtime, dict[str, Any]], object]:
            def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
                began, gone = self.time, False
                try:
                    HANDLERS[name](runtime, payload)
                except Killed:
                    gone = True
                    raise
                finally:
                    if name in PHASES:
                        key = (PHASES[name], payload["lo"], payload.get("attempt", 0))
                        self.saw[key] = (began, self.time, gone)

            return handle

        return {name: watched(name) for name in HANDLERS}

    def look(self) -> Seen:
        return look(self.memory, self.keys, self.time, self.output.prefix)


class Page(HTMLParser):
    """What a browser makes of a page: its elements, the text of each script, and all text that is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.shown = ""
        self._open: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._open = dict(attrs).get("id") or f"{tag} {len(self.scripts)}"
            self.scripts[self._open] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.scripts[self._open] += data
        else:
            self.shown += data

    @property
    def figures(self) -> Any:
        return json.loads(self.scripts["figures"])

    def rows(self) -> list[dict[str, Any]]:
        """The attempts of the page's columns."""
        found = self.figures["attempts"]
        names = [name for name in found if name not in ("n", "groups")]
        return [
            {
                **{name: found[name][i] if isinstance(found[name], list) else found[name] for name in names},
                "groups": found["groups"],
            }
            for i in range(found["n"])
        ]


def ran(trouble: str, scratch: Path) -> Watched:
    cloud = Watched(trouble, scratch)
    cloud.run(
        {f"{n}.txt": word.encode() for n, word in enumerate(["odd", *(f"w{i:02d}" for i in range(11))])}
    )
    if trouble != "none":
        cloud.time += 1.0
    assert cloud.errors == []
    return cloud


@pytest.mark.parametrize("trouble", ["none", "fails"])
def test_every_attempt_is_on_the_page_with_its_times(trouble: str, tmp_path: Path) -> None:
    cloud = ran(trouble, tmp_path)
    seen = cloud.look()
    rows = Page(page(seen)).rows()
    found = {(row["groups"][row["group"]], row["task"], row["attempt"]): row for row in rows}
    assert len(found) == len(rows)
    assert found.keys() == cloud.saw.keys()
    for key, (began, ended, _) in cloud.saw.items():
        row = found[key]
        failed = trouble == "fails" and key == ("map", 0, 0)
        assert OUTCOMES[row["outcome"]] == ("failed" if failed else "done")
        assert row["start"] == pytest.approx((began - seen.begun) * 1000, abs=2)
        assert row["end"] == pytest.approx((ended - seen.begun) * 1000, abs=2)
        assert row["slow"] == 0
    if trouble == "fails":
        again = found["map", 0, 1]
        assert again["ready"] == pytest.approx(SOON * 1000, abs=2), "from the failure on"
        (slow, *_) = slowest(seen.history)
        assert (slow.attempts[0].task, slow.attempts[0].phase) == (0, "map")
        assert slow.reasons[0] == "1 attempt failed before"
        assert slow.seconds == pytest.approx(SOON + SECONDS, abs=0.1)


@pytest.mark.parametrize("trouble", ["slow", "lost"])
def test_a_straggler_is_told_apart_while_it_sleeps_and_after(trouble: str, tmp_path: Path) -> None:
    cloud = Watched(trouble, tmp_path)
    looks: list[Seen] = []
    ended = cloud._ended

    def once() -> bool:
        if not looks and ended():
            looks.append(cloud.look())
        return False

    cloud._ended = once  # type: ignore[method-assign]
    cloud.run(
        {f"{n}.txt": word.encode() for n, word in enumerate(["odd", *(f"w{i:02d}" for i in range(11))])}
    )
    before, after = looks[0], cloud.look()
    for seen in (before, after):
        first, second = [one for one in seen.history.attempts if one.phase == "map" and one.task == 0]
        assert (first.attempt, first.slow, second.attempt, second.outcome) == (0, True, 1, "done")
        overtaken = trouble == "slow" and seen is after
        assert first.outcome == ("overtaken" if overtaken else "lost")
        if overtaken:
            began, stopped, _ = cloud.saw["map", 0, 0]
            assert first.started == pytest.approx(began, abs=0.01)
            assert first.finished == pytest.approx(stopped, abs=0.01)
        assert [one for one in seen.history.attempts if one.slow] == [first]
        ended = Page(page(seen)).figures["ended"]
        assert ended == pytest.approx((looks[0].now - seen.begun) * 1000, abs=50)
        task = next(task for task in slowest(seen.history) if task.attempts[0] is first)
        assert "a straggler: a second attempt was started beside it" in task.reasons


def test_of_a_run_under_way_it_is_said_what_is_not_done(tmp_path: Path) -> None:
    cloud = Watched("slow", tmp_path)
    cloud._ended = lambda: cloud.time > 1_700_000_000.0 + 2  # type: ignore[method-assign]
    cloud.run({"0.txt": b"odd", "1.txt": b"one"})
    seen = cloud.look()
    assert {one.outcome for one in seen.history.attempts} == {"under way"}
    shown = Page(page(seen)).shown
    assert "under way when this was written" in shown
    assert "mapping" in shown


def test_at_once_and_bytes_are_those_of_the_run(tmp_path: Path) -> None:
    cloud = ran("none", tmp_path)
    seen = cloud.look()
    figures = Page(page(seen)).figures
    moments = [began for began, _, _ in cloud.saw.values()]
    for phase in PHASES.values():
        own = [span for (name, _, _), span in cloud.saw.items() if name == phase]
        most = max(sum(began <= moment < ended for began, ended, _ in own) for moment in moments)
        assert max(figures["at_once"][phase]) == most
    plan = decode(ReducePlan, cloud.memory.get(cloud.keys.reduce_plan), "the reduce plan")
    bytes_, records = figures["bars"]
    assert [sum(bytes_["values"][task.first : task.last]) for task in plan.tasks] == [
        t.bytes for t in plan.tasks
    ]
    parts = [info.key for info in cloud.memory.list(cloud.output.prefix) if "part-" in info.key]
    assert sum(records["values"]) == len(cloud.rows()) == 12
    assert len(parts) == len(records["values"])


def test_a_trace_has_each_attempt_once_and_no_two_at_a_time_in_a_lane(tmp_path: Path) -> None:
    cloud = ran("fails", tmp_path)
    events = [event for event in trace(cloud.look())["traceEvents"] if event["ph"] == "X" and "args" in event]
    assert sorted(event["name"] for event in events) == sorted(
        f"{phase} {task}.{attempt}" for phase, task, attempt in cloud.saw
    )
    lanes: dict[tuple[int, int], int] = {}
    for event in sorted(events, key=lambda event: event["ts"]):
        lane = event["pid"], event["tid"]
        assert event["ts"] >= lanes.get(lane, 0)
        lanes[lane] = event["ts"] + event["dur"]


def test_hostile_names_and_errors_are_shown_and_nothing_more(tmp_path: Path) -> None:
    name = "</script><img src=x onerror=alert(1)>\u202e.txt"
    cloud = Watched(
        "none", tmp_path, bad_records=BadRecordsSpec(policy="quarantine", max=10, max_fraction=1.0)
    )
    cloud.run({name: b"never", "1.txt": b"one"})
    seen = cloud.look()
    assert seen.status.phase == "succeeded"
    plain = Page(page(ran("none", tmp_path).look()))
    found = Page(page(seen))
    allowed = {tag for tag, _ in plain.elements}
    assert {tag for tag, _ in found.elements} <= allowed | {
        "code",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert not [
        attributes for _, attributes in found.elements if any(key.startswith("on") for key in attributes)
    ]
    assert len(found.scripts) == len(plain.scripts) == 5
    assert "</script><img src=x onerror=alert(1)>\\u202e.txt" in found.shown
    assert "ValueError: </script><script>alert(1)</script>" in found.shown
    assert "<b>lines</b>" in found.shown
    assert seen.bad[0].source in found.shown.replace("\\u202e", "\u202e")


def test_a_failed_run_shows_each_error_once_with_its_traceback(tmp_path: Path) -> None:
    cloud = Watched("none", tmp_path)
    cloud.run({"0.txt": b"never", "1.txt": b"one"})  # "never" is two splits, of one line
    seen = cloud.look()
    assert seen.status.phase == "failed"
    found = Page(page(seen))
    details = found.shown.partition("What went wrong")[2].partition("Timeline")[0]
    assert details.count('raise ValueError("</script>') == 1
    assert "map task 0, attempt 0" in details
    outcomes = {(one.task, one.outcome) for one in seen.history.attempts}
    assert outcomes == {(0, "failed"), (1, "cut off"), (2, "cut off")}


def test_a_run_on_this_machine_with_several_steps_and_what_the_manifest_says_of_it(tmp_path: Path) -> None:
    class Words(Job):
        def mapper(self, _: Any, line: str) -> Any:
            yield from ((word, 1) for word in line.split())

        reducer = Sum()
        order_by = "value"

    (tmp_path / "in").mkdir()
    for number in range(3):
        (tmp_path / "in" / f"{number}.txt").write_text("to be or not to be\n" * 50)
    run = LocalRun(
        name="words", spec=spec(split_size=300, partitions=4), run="20260101T000000-a",
        inputs=find_inputs([str(tmp_path / "in")]), source="test", output=tmp_path / "out", work=tmp_path / "work",
        workers=2, load_job=lambda _: Words,
    )  # fmt: skip
    manifest = run_local(run)
    store = FolderStore([tmp_path / "out", tmp_path / "work"])
    history = read_history(store, run.keys, ended=True)
    assert history.problems == ()
    done = [one for one in history.attempts if one.outcome == "done"]
    assert len(history.steps) == manifest.steps == 2
    for phase, tasks, stats in (
        ("map", manifest.map_tasks, manifest.mapped),
        ("reduce", manifest.reduce_tasks, manifest.reduced),
    ):
        own = [one.stats for one in done if one.phase == phase]
        assert len(own) == tasks
        for figure in ("records_in", "bytes_out", "starts", "cold"):
            assert sum(getattr(one, figure) for one in own) == getattr(stats, figure)
        assert max(one.peak for one in own) == stats.peak > 0
    seen = look(store, run.keys, time.time())
    assert seen.begun <= min(one.started or 0 for one in done)
    shown = Page(page(seen)).shown
    assert "step 1 map" in shown
    assert "step 2 reduce" in shown
    assert f"{manifest.records:,} in {len(manifest.parts)} part" in shown


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield from ((word, 1) for word in line.split())

    reducer = Sum()


class Rows(Job):
    shuffle = False

    def mapper(self, _: Any, line: str) -> Any:
        yield line, len(line)


#: By name: the job, its configuration, and how it is run; each is another way through a run.
KINDS: dict[str, tuple[type[Job], dict[str, Any], dict[str, Any]]] = {
    "without a shuffle": (Rows, {"split_size": 20}, {}),
    "a small run": (Words, {}, {"seats": 0}),
    "totals": (Words, {"accumulate": True, "split_size": 20, "partitions": 2, "reduce_size": 1}, {}),
    "in pieces": (Words, {"split_size": 1000}, {"lifetime": 0.5}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_run_is_told_as_its_manifest_tells_it(kind: str) -> None:
    job, figures, how = KINDS[kind]
    world = Simulation(job, spec(**figures), SCRATCH, **how)
    world.drop("a.txt", b"to be or not to be\n" * 5)
    world.run()
    assert world.errors == []
    manifest = decode(Manifest, world.output()["_manifest.json"], "the manifest")
    (keys,) = list_runs(world.memory, WORK)
    seen = look(world.memory, keys, world.time, Loc("out", f"{keys.run}/"))
    assert seen.problems == ()
    done = {phase: [] for phase in ("map", "reduce")}
    for one in seen.history.attempts:
        assert one.outcome == "done"
        done[one.phase].append(one.stats)
    assert (len(done["map"]), len(done["reduce"])) == (manifest.map_tasks, manifest.reduce_tasks)
    for phase, stats in (("map", manifest.mapped), ("reduce", manifest.reduced)):
        assert sum(one.records_in for one in done[phase]) == stats.records_in
        assert sum(one.bytes_out for one in done[phase]) == stats.bytes_out
    found = Page(page(seen))
    assert found.figures["attempts"]["n"] == manifest.map_tasks + manifest.reduce_tasks
    assert "succeeded" in found.shown
    assert (seen.status.continued > 0) == (kind == "in pieces")
    assert len(seen.history.steps) == manifest.steps
