"""A function ends with its time-out on this machine, too: by an alarm, or by its process's end."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import RunFailed
from chalicelib.core.spec import BadRecordsSpec, TimeoutSpec
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.local.workers import timeouts_of
from tests.worlds.simulation import spec

pytestmark = pytest.mark.slow

LINES = "".join(f"line {number}\n" for number in range(40))
#: Seconds. Twice so long, and a little for the rest, is what a run may take.
TIMEOUT = 5
ENOUGH = 60.0


class Hangs(Job):
    """Waits for ever on one record."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if line == "line 17":
            time.sleep(600)
        yield line[:4], 1

    reducer = Sum()


class Deaf(Hangs):
    """Does not even hear the alarm, like code in C that never comes back."""

    def mapper_init(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})


class HangsInReduce(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line, 1

    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        if key == "line 17":
            time.sleep(600)
        yield key, sum(values)


def run(job: type[Job], folder: Path, **figures: Any) -> bytes:
    (folder / "in.txt").write_text(LINES)
    for name in ("out", "work"):
        (folder / name).mkdir()
    limits = TimeoutSpec(mapper=TIMEOUT, reducer=TIMEOUT)
    run_local(
        LocalRun(
            name="hangs",
            spec=spec("hangs:Hangs", timeout=limits, **figures),
            run="r",
            inputs=find_inputs([str(folder / "in.txt")]),
            source="test",
            output=folder / "out",
            work=folder / "work",
            workers=1,
            load_job=lambda _: job,
        )
    )
    return b"".join(path.read_bytes() for path in sorted((folder / "out").glob("part-*")))


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (Hangs, r"in\.txt, line at byte 126: the mapper alone took longer than half the function's time"),
        (HangsInReduce, "at key 'line 17': this group alone took longer than half the function's time"),
    ],
)
def test_what_hangs_is_named_soon(job: type[Job], told: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(RunFailed, match=told):
        run(job, tmp_path)
    assert time.monotonic() - began < ENOUGH


def test_what_hangs_is_set_aside(tmp_path: Path) -> None:
    aside = BadRecordsSpec(policy="quarantine", max_fraction=1.0)
    assert run(Hangs, tmp_path, bad_records=aside) == b"line\t39\n"


def test_what_hears_no_alarm_is_ended_with_its_process(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(RunFailed, match=r"map task 0 .*did not end within timeout\.mapper \(5 s\)"):
        run(Deaf, tmp_path, max_attempts=1)
    assert time.monotonic() - began < ENOUGH


def test_the_longest_time_there_is_means_no_limit() -> None:
    assert timeouts_of(TimeoutSpec()) == {}
    assert timeouts_of(TimeoutSpec(mapper=1, reducer=60)) == {"mapper": 5, "reducer": 60}
