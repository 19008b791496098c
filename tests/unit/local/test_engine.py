"""`local.engine`: a run comes to its end, and soon, when its supervisor dies or cannot write what it has to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from chalicelib import Job, Sum
from chalicelib.core.errors import RunFailed
from chalicelib.core.keys import MANIFEST, TotalsKeys
from chalicelib.core.ports import Loc, Runtime
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.local.workers import World
from chalicelib.run.lease import TTL, read
from chalicelib.stores.folder import FolderStore
from tests.worlds.simulation import spec


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


@dataclass
class Clock:
    """Remembers for how long it was asked to pause, and does not."""

    pauses: list[float] = field(default_factory=list)

    def now(self) -> float:
        return time.time()

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Deadly(FolderStore):
    """Kills its process when it is to write what `deadly` says, `times` times in all."""

    def __init__(self, marks: Path, deadly: Callable[[Loc], bool], times: int) -> None:
        super().__init__([Path("/"), marks.parent / "work", marks.parent / "out"])
        self._marks, self._deadly, self._times = marks, deadly, times

    def _strike(self, loc: Loc) -> None:
        if self._deadly(loc) and len(list(self._marks.iterdir())) < self._times:
            (self._marks / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        self._strike(loc)
        return super().put(loc, body, mark)

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        self._strike(loc)
        return super().put_if_absent(loc, body, mark)

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        self._strike(loc)
        return super().put_if_match(loc, body, etag)


@dataclass
class Kills(World):
    """Kills workers that write what `deadly` says."""

    marks: Path
    deadly: Callable[[Loc], bool]
    times: int

    def runtime(self, runtime: Runtime) -> Runtime:
        store = Deadly(self.marks, self.deadly, self.times)
        store._on_created = runtime.store._on_created  # type: ignore[attr-defined]
        return structs.replace(runtime, store=store)


@dataclass
class Here:
    """A folder with an input, and what a run over it left."""

    folder: Path
    clock: Clock = field(default_factory=Clock)

    def run(self, world: World | None = None, **settings: Any) -> bytes:
        run_local(
            LocalRun(
                name="words",
                spec=spec("words:Words", **settings),
                run="r",
                inputs=find_inputs([str(self.folder / "in.txt")]),
                source="test",
                output=self.folder / "out",
                work=self.folder / "work",
                workers=1,
                load_job=lambda _: Words,
                world=world or World(),
                clock=self.clock,
            )
        )
        return b"".join(path.read_bytes() for path in sorted((self.folder / "out").glob("part-*")))

    def kills(self, deadly: Callable[[Loc], bool], times: int) -> Kills:
        return Kills(self.folder / "marks", deadly, times)

    @property
    def deaths(self) -> int:
        return len(list((self.folder / "marks").iterdir()))


@pytest.fixture
def here(tmp_path: Path) -> Here:
    for name in ("out", "work", "marks"):
        (tmp_path / name).mkdir()
    (tmp_path / "in.txt").write_text("a b a\n")
    return Here(tmp_path)


def test_what_cannot_be_published_ends_the_run_with_the_reason(here: Here) -> None:
    """A folder stands where the manifest belongs, so that no verdict can be published."""
    (here.folder / "out" / MANIFEST).mkdir()
    with pytest.raises(RunFailed, match=r"words, run r failed:.*_manifest\.json: put: ") as failed:
        here.run()
    assert "Traceback" not in str(failed.value)
    assert "and so _FAILED cannot be written" in str(failed.value)
    assert not (here.folder / "out/_SUCCESS").exists()
    assert 1 < sum(here.clock.pauses) < 10
    assert here.clock.pauses == sorted(here.clock.pauses)


def test_a_supervisor_that_always_dies_is_given_up_and_the_run_says_so(here: Here) -> None:
    kills = here.kills(lambda loc: loc.key.endswith("reduce/plan.json"), 1000)
    with pytest.raises(
        RunFailed, match=r"stopped moving: supervisor: its process was killed \(exit code -9\)"
    ):
        here.run(kills)
    assert "stopped moving" in (here.folder / "out/_FAILED").read_text()
    assert 3 <= here.deaths <= 30


@pytest.mark.parametrize(
    "what", ["reduce/plan.json", "reduce/index.000000", "reduce/started", "reduce/lease"]
)
@pytest.mark.parametrize("times", [1, 2, 4])
def test_a_supervisor_that_is_killed_costs_no_wait_for_its_lease(what: str, times: int, here: Here) -> None:
    began = time.monotonic()
    assert here.run(here.kills(lambda loc: loc.key.endswith(what), times)) == b"a\t2\nb\t1\n"
    assert 1 <= here.deaths <= times  # once the reducers are started, they may be faster
    assert time.monotonic() - began < TTL / 2


def test_a_run_that_is_over_leaves_the_turn_to_the_next(here: Here) -> None:
    """Its supervisor may be stopped between `_SUCCESS` and the end of its turn; the next run need not wait for that."""
    turn = TotalsKeys(Loc(str(here.folder / "work"), ""), "words").turn
    over = here.folder / "out/_SUCCESS"
    assert here.run(here.kills(lambda loc: loc == turn and over.exists(), 1000), accumulate=True)
    found = read(FolderStore([here.folder / "work"]), turn)
    assert found is not None
    assert (found[0].token, found[0].expires) == ("r", 0.0)
