"""A job run from Python: it goes on beside the caller, and its results are pairs, types and all."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import ConfigError, RunFailed, UserError
from chalicelib.local import submit

TEXT = "".join(f"w{n % 11} w{n % 5}\n" for n in range(300))


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for word in line.split():
            yield (word, len(word)), Decimal(self.params.get("one", 1))

    reducer = Sum()


class Refused(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        if line == "w3 w3":
            raise ValueError("no such word")
        yield line, 1


class Endless(Job):
    def mapper(self, _: None, _line: str) -> Iterator[Any]:
        Path(self.params["began"]).write_text(str(os.getpid()))
        while True:
            time.sleep(0.05)
        yield None, 1


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT)
    (folder / "b.txt").write_text(TEXT)
    return folder


def test_results_are_pairs_of_the_types_that_were_yielded(texts: Path) -> None:
    run = submit(Words, texts, workers=2, split_size=500, partitions=3)
    found = dict(run.results())
    assert found == {(word, len(word)): Decimal(2 * count) for word, count in Counter(TEXT.split()).items()}
    assert {type(value) for value in found.values()} == {Decimal}
    assert run.done
    assert run.manifest.map_tasks > 1
    assert run.wait(0).inputs == 2


def test_runs_go_on_beside_each_other_and_their_files_go_with_them(texts: Path) -> None:
    runs = [submit(Words, [texts / "a.txt"], workers=1, params={"one": one}) for one in (1, 2)]
    totals = [sum(value for _, value in run.results()) for run in runs]
    assert totals == [600, 1200]
    roots = [run._root for run in runs]
    assert all(root.exists() for root in roots)
    del runs
    gc.collect()
    assert not any(root.exists() for root in roots)


def test_a_run_that_fails_says_why(texts: Path) -> None:
    run = submit(Refused, texts, workers=1)
    for ask in (run.wait, lambda: list(run.results()), lambda: run.manifest):
        with pytest.raises(RunFailed, match=r"a\.txt, line at byte 18: ValueError: no such word"):
            ask()


@pytest.fixture
def signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def is_gone(process: int) -> bool:
    """Whoever was killed may be there a moment longer."""
    for _ in range(3000):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.default_int_handler])
def test_one_may_wait_a_while_and_stop_it(handler: Any, texts: Path, tmp_path: Path, signals: None) -> None:
    """Also where Ctrl-C is ignored, as in the background without a terminal."""
    signal.signal(signal.SIGINT, handler)
    began = tmp_path / "began"
    run = submit(Endless, texts / "a.txt", workers=1, params={"began": str(began)})
    with pytest.raises(TimeoutError, match=r"job Endless, run .*: has not ended in 0\.01 s"):
        run.wait(0.01)
    while not began.exists() or not began.read_text():
        time.sleep(0.01)
    run.stop()
    assert run.done
    assert is_gone(int(began.read_text()))
    with pytest.raises(RunFailed, match=r"job Endless, run .*: was stopped"):
        run.wait()


def test_what_cannot_run_is_told_at_once(texts: Path) -> None:
    with pytest.raises(
        UserError, match=r"expected a file or folder of this machine; scripts/submit\.py runs"
    ):
        submit(Words, "s3://bucket/texts/")
    with pytest.raises(ConfigError, match=r"submit: Expected `int \| null`, got `str` - at `\$\.partitions`"):
        submit(Words, texts, partitions="many")
    with pytest.raises(ConfigError, match="submit: output: is given by what is run, and where; leave it out"):
        submit(Words, texts, output={"format": "csv"})

    class Nothing(Job):
        pass

    with pytest.raises(ConfigError, match="Nothing: expected exactly one of mapper"):
        submit(Nothing, texts)
