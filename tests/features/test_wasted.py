"""What a run costs, with all that was paid for: by a clock that sees every invocation, from its call to its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Runtime
from chalicelib.run.status.collect import RunStatus, collect
from scripts.console.progress import picture
from scripts.console.terminal import plain
from tests.worlds.parallel import Parallel
from tests.worlds.simulation import HANDLERS, Killed, spec

SECONDS = 4.0
#: Seconds of the attempt that comes to nothing.
LONG = 150.0


class Odd(Job):
    """Every task takes four seconds; the first attempt at one of them 150, and what then comes of it varies."""

    cloud: Metered

    def mapper(self, _: Any, line: str) -> Any:
        self._work("map", line)
        yield line, 1

    def reducer(self, word: str, numbers: Any) -> Any:
        self._work("reduce", word)
        yield word, sum(numbers)

    def _work(self, phase: str, name: str) -> None:
        params, notes = self.params, self.cloud.notes
        if name == "odd" and phase == params["phase"] and "met" not in notes:
            notes.add("met")
            self.cloud.pause(LONG)
            if params["trouble"] == "lost":
                self.cloud.die()
            if params["trouble"] == "fails":
                raise OSError("not yet")
        self.cloud.pause(params["last"] if phase == "reduce" and name == "w00" else SECONDS)


class Metered(Parallel):
    """Adds up how long each function ran, whatever came of it; goes on until nobody is at work any more."""

    def __init__(self, params: dict[str, Any], scratch: Path) -> None:
        #: Seconds of each function's invocations, and of those that vanished.
        self.seconds: Counter[str] = Counter()
        self.gone: Counter[str] = Counter()
        #: How the run stood when it ended.
        self.at_end: RunStatus | None = None
        figures = {"split_size": 3, "partitions": 1024, "reduce_size": 1, "params": params}
        super().__init__(Odd, spec(**figures), scratch, handlers=self._metered())

    def _metered(self) -> dict[str, Callable[[Runtime, dict[str, Any]], object]]:
        def timed(name: str) -> Callable[[Runtime, dict[str, Any]], object]:
            def handle(runtime: Runtime, payload: dict[str, Any]) -> None:
                began = self.time
                try:
                    HANDLERS[name](runtime, payload)
                except Killed:
                    self.gone[name] += self.time - began
                    raise
                finally:
                    self.seconds[name] += self.time - began

            return handle

        return {name: timed(name) for name in HANDLERS}

    def _ended(self) -> bool:
        if self.at_end is None and super()._ended():
            self.at_end = self.status()
        return False

    def status(self) -> RunStatus:
        return collect(
            self.memory, self.keys, now=self.time, output=self.output.prefix, max_markers=99, max_failures=9
        )

    @property
    def manifest(self) -> Manifest:
        return decode(Manifest, self.memory.get(self.output.manifest), "the manifest")


def metered(phase: str, trouble: str, last: float, tmp_path: Path) -> Metered:
    words = ["odd", *(f"w{number:02d}" for number in range(11))]
    cloud = Metered({"phase": phase, "trouble": trouble, "last": last}, tmp_path)
    cloud.run({f"{number}.txt": word.encode() for number, word in enumerate(words)})
    assert cloud.errors == []
    assert sorted(cloud.rows()) == sorted(f"{word}\t1" for word in words)
    return cloud


def told(status: RunStatus, phase: str) -> float:
    """Seconds that the status tells of, in all attempts of a phase."""
    of = status.map if phase == "map" else status.reduce
    return of.stats.seconds + of.wasted.stats.seconds


def as_text(status: RunStatus) -> str:
    return "\n".join(plain(line) for line in picture(status, terminal=False))


@pytest.mark.parametrize("trouble", ["slow", "fails"])
@pytest.mark.parametrize("phase", ["map", "reduce"])
def test_an_attempt_that_comes_to_nothing_is_in_the_cost_once_it_has_ended(
    phase: str, trouble: str, tmp_path: Path
) -> None:
    cloud = metered(phase, trouble, SECONDS, tmp_path)
    status, function = cloud.status(), {"map": "mapper", "reduce": "reducer"}[phase]
    for one, name in (("map", "mapper"), ("reduce", "reducer")):
        assert told(status, one) == pytest.approx(cloud.seconds[name], abs=0.01)
    assert cloud.seconds[function] > LONG
    memory = {"map": cloud.spec.memory.mapper, "reduce": cloud.spec.memory.reducer}[phase]
    least = LONG * memory / 1024 * 0.0000133334
    assert status.cost is not None
    assert status.cost_wasted is not None
    assert status.cost > status.cost_wasted > least
    assert status.cost_parts is not None
    parts, price = status.cost_parts, {"x86_64": 0.0000166667, "arm64": 0.0000133334}[cloud.spec.architecture]
    gb = {"mapper": cloud.spec.memory.mapper / 1024, "reducer": cloud.spec.memory.reducer / 1024}
    paid = sum(cloud.seconds[name] * gb[name] * price for name in gb)
    vain = status.map.wasted + status.reduce.wasted
    asked = vain.stats.puts * 0.005e-3 + vain.stats.lists * 0.005e-3 + vain.stats.gets * 0.0004e-3
    time = parts.map + parts.reduce + parts.wasted - asked - vain.attempts * 0.20e-6
    assert time == pytest.approx(paid, rel=1e-4)
    assert "of it for 1 attempt that failed or that another was faster than" in as_text(status)
    assert status.cost_lost == 0.0
    assert "left no word" not in as_text(status)


@pytest.mark.parametrize("trouble", ["slow", "lost"])
@pytest.mark.parametrize("phase", ["map", "reduce"])
def test_of_one_that_has_left_nothing_a_bound_is_said(phase: str, trouble: str, tmp_path: Path) -> None:
    """As the run ends the first attempt still sleeps; then it says what it used, or has vanished."""
    cloud = metered(phase, trouble, SECONDS, tmp_path)
    manifest = cloud.manifest
    wasted = manifest.map_wasted if phase == "map" else manifest.reduce_wasted
    assert (wasted.attempts, wasted.lost) == (0, 1)
    assert LONG < wasted.lost_seconds <= 3 * 900
    assert cloud.at_end is not None
    assert "more for 1 attempt that left no word" in as_text(cloud.at_end)
    assert cloud.at_end.cost_lost is not None
    assert cloud.at_end.cost_lost > 0
    status = cloud.status()
    of = status.map if phase == "map" else status.reduce
    function = {"map": "mapper", "reduce": "reducer"}[phase]
    if trouble == "slow":
        assert (of.wasted.attempts, of.wasted.lost, of.wasted.lost_seconds) == (1, 0, 0.0)
        return
    assert of.wasted.lost == 1
    assert cloud.gone[function] <= of.wasted.lost_seconds
    assert told(status, phase) + cloud.gone[function] == pytest.approx(cloud.seconds[function], abs=0.01)


def test_a_manifest_has_what_ended_before_it(tmp_path: Path) -> None:
    """A reduce task takes longer than the straggler of the map phase, which was at work when that phase ended."""
    cloud = metered("map", "slow", 400.0, tmp_path)
    manifest = cloud.manifest
    assert (manifest.map_wasted.attempts, manifest.map_wasted.lost) == (1, 0)
    assert manifest.map_wasted.stats.seconds == pytest.approx(LONG + SECONDS, abs=0.1)
    mapped = manifest.mapped.seconds + manifest.map_wasted.stats.seconds
    assert mapped == pytest.approx(cloud.seconds["mapper"], abs=0.01)


def test_a_failed_run_says_what_all_attempts_used(tmp_path: Path) -> None:
    class Fails(Odd):
        def mapper(self, _: Any, line: str) -> Any:
            self.cloud.pause(SECONDS)
            if line == "odd":
                raise OSError("never")
            yield line, 1

    cloud = Metered({}, tmp_path)
    cloud._job = type("Here", (Fails,), {"cloud": cloud})
    cloud.run({"0.txt": b"odd", "1.txt": b"even"})
    attempts = cloud.spec.max_attempts
    assert cloud.manifest.outcome == "failed"
    assert cloud.manifest.map_wasted.attempts == attempts
    assert cloud.manifest.map_wasted.stats.seconds == pytest.approx(attempts * SECONDS, abs=0.1)
    assert told(cloud.status(), "map") == pytest.approx(cloud.seconds["mapper"], abs=0.1)
