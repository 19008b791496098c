"""`run.py --work`, killed anywhere: the same command goes on, does nothing twice, and gives the same bytes."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import scripts.run as command
from chalicelib.core.errors import UserError
from chalicelib.local.local_run import Progress
from chalicelib.local.results import SWAP, Claim

JOB = """from chalicelib import Job, Sum


class Once(Job):
    def mapper_init(self):
        self.first = True

    def mapper(self, _, line):
        if self.first:
            self.first = False
            self.note("map", line)
        yield line.split()[0], 1

    def reducer(self, key, values):
        self.note("reduce", key)
        yield key, sum(values)

    def note(self, phase, what):
        with open(self.params["notes"], "a") as notes:
            notes.write(f"{phase} {what}\\n")


class Second(Job):
    def mapper(self, word, count):
        yield word[-1], count

    reducer = Sum()


class Twice(Job):
    steps = (Once, Second)
"""
WORKERS = 2
#: Where the parent kills itself: a phase of a step, and how many tasks of it are done.
Point = tuple[int, str, int]


class Here:
    """A job and its input in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        (folder / "once.py").write_text(JOB)
        (folder / "in.txt").write_text("".join(f"w{number % 50} {number}\n" for number in range(3000)))
        #: What the display was told first: step, phase, tasks done, tasks.
        self.seen: list[tuple[int, str, int, int]] = []

    def run(
        self, out: str, *more: str, killed: Callable[[], None] | None = None, at: Point | None = None
    ) -> int:
        """The exit code; of a run that kills itself, of its process."""
        (self.folder / "once.yml").write_text(
            f"job: once:Twice\nparams:\n  notes: {self.folder}/notes-{out}\n"
        )

        @contextmanager
        def display(*_: Any, **__: Any) -> Iterator[Progress]:
            def show(step: int, phase: str, done: int, tasks: int) -> None:
                self.seen.append((step, phase, done, tasks))
                if at and (step, phase) == at[:2] and done >= at[2]:
                    os.kill(os.getpid(), signal.SIGKILL)

            yield show

        self._monkeypatch.setattr(command, "bars", display)
        words = [f"{self.folder}/once.yml", f"{self.folder}/in.txt", "-o", f"{self.folder}/{out}"]
        sizes = ["--set", "split_size=4000", "--set", "reduce_size=200", "--set", "partitions=6"]
        words += ["--work", f"{self.folder}/work", "--workers", str(WORKERS), *sizes, *more]
        self._monkeypatch.setattr(sys, "argv", ["run.py", *words])
        if not at and not killed:
            return command.main()
        process = get_context("fork").Process(target=self._killed, args=(killed,))
        process.start()
        process.join(60)
        assert process.exitcode is not None
        return process.exitcode

    def _killed(self, killed: Callable[[], None] | None) -> None:
        if killed:
            killed()
        command.main()

    def parts(self, out: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / out).glob("part-*")}

    def notes(self, out: str) -> Counter[str]:
        return Counter((self.folder / f"notes-{out}").read_text().splitlines())

    @property
    def unfinished(self) -> list[str]:
        return [path.name for path in (self.folder / "work/unfinished").rglob("*.json")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(tmp_path, monkeypatch)


def in_the_midst_of_publishing() -> None:
    """What decides is done, and the parent is gone."""

    def publish(claim: Claim) -> None:
        real(claim)

    import chalicelib.local.results as results

    real = Claim.publish
    results._finish = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    Claim.publish = publish  # type: ignore[method-assign]


POINTS: dict[str, Point] = {
    "last map": (0, "map", 6),
    "reduce": (0, "reduce", 2),
    "second step": (1, "map", 1),
}


def test_wherever_it_is_killed_it_goes_on_and_does_nothing_twice(
    here: Here, capfd: pytest.CaptureFixture[str]
) -> None:
    here.run("calm")
    expected, calm = here.parts("calm"), here.notes("calm")
    assert len(expected) > 1
    assert here.unfinished == []
    for name, at in POINTS.items():
        out = name.replace(" ", "-")
        assert here.run(out, at=at) == -signal.SIGKILL
        assert not (here.folder / out / "_SUCCESS").exists()
        assert len(here.unfinished) == 1
        here.seen.clear()
        here.run(out)
        assert "was killed: going on with it" in capfd.readouterr().err
        step, phase, done, _ = here.seen[1]
        assert (step, phase, done) >= at, "what was done counts as done"
        assert here.parts(out) == expected
        again = here.notes(out) - calm
        assert again.total() <= WORKERS * 3, "only what was in hand may be done again"
        assert here.unfinished == []
        assert not any((here.folder / "work/tmp").iterdir())
    assert here.run("published", killed=in_the_midst_of_publishing) == -signal.SIGKILL
    assert (here.folder / "published" / SWAP).is_dir()
    here.run("published")
    assert (here.parts("published"), here.notes("published") - calm, here.unfinished) == (
        expected,
        Counter(),
        [],
    )


def test_what_has_changed_since_is_refused_by_name_and_lost_results_begin_anew(here: Here) -> None:
    at = POINTS["reduce"]
    assert here.run("out", at=at) == -signal.SIGKILL
    with pytest.raises(
        UserError, match="its settings is not what it was begun with: go on with that, or delete"
    ):
        here.run("out", "--set", "partitions=2")
    source = here.folder / "once.py"
    source.write_text(JOB + "\n# another\n")
    (here.folder / "in.txt").write_text("other\n")
    with pytest.raises(UserError, match="its code and input are not what it was begun with"):
        here.run("out")
    (name,) = here.unfinished
    (here.folder / "work/unfinished/once" / name).unlink()
    here.run("out")  # what was written so far went with it
    assert b"".join(here.parts("out").values()) == b"r\t1\n"
    assert here.run("other", at=(0, "map", 1)) == -signal.SIGKILL
    (staged,) = (here.folder / "other").glob(".sluice-run-*")
    staged.rename(here.folder / "gone")
    here.run("other")
    assert here.parts("other") == here.parts("out")
    assert here.unfinished == []
