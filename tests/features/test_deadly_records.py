"""Records and groups that end their process, by a crash or without a word: found and set aside, whatever else is there.

The processes are real ones; only what comes over them is the test's.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Aggregator, Job, Sum
from chalicelib.core.errors import RunFailed
from chalicelib.core.outcome import Manifest
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from tests.worlds.simulation import spec

LINES = [f"word{number % 5} {number}" for number in range(300)]
QUARANTINE = BadRecordsSpec(policy="quarantine", max_fraction=1.0)


def kill(line: str) -> None:
    """What a line of the input may do to the process that maps it."""
    if "EXIT" in line:
        os._exit(9)
    if "LEAVE" in line:
        sys.exit("good-bye")
    if "CRASH" in line:
        faulthandler.disable()  # nobody need read of it
        signal.raise_signal(signal.SIGSEGV)
    if "KILL" in line:  # as the kernel does when memory runs out
        os.kill(os.getpid(), signal.SIGKILL)
    if "RAISE" in line:
        raise ValueError("bad")


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        kill(line)
        yield line.split()[0], 1

    reducer = Sum()


class Chunks(Job):
    def mapper_chunk(self, chunk: Any) -> Iterator[Any]:
        for line in chunk.splitlines():
            kill(line)
            yield line.split()[0], 1

    reducer = Sum()


class Whole(Job):
    def mapper(self, _: Any, body: str) -> Iterator[Any]:
        kill(body)
        yield from Counter(line.split()[0] for line in body.splitlines()).items()

    reducer = Sum()


class Greedy(Words):
    """Dies of all records together, whichever comes last, and of none alone."""

    def mapper_init(self) -> None:
        self.seen = 0

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        self.seen += 1
        if self.seen > 200:
            os.kill(os.getpid(), signal.SIGKILL)
        yield line, 1


class Between(Words):
    """Dies outside of any record."""

    def mapper_final(self) -> None:
        os._exit(3)


class Grouped(Job):
    """As Words, but what a line does to its process it does in the reducer, at its group."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        word, _, rest = line.partition(" ")
        yield word, 1
        if rest.rpartition(" ")[2].isupper():
            yield f"{word} {rest}", 1

    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        kill(key)
        yield key, sum(values)


class Finished(Grouped):
    """The same, where an aggregator of the job's own finishes each group."""

    class KillsAtTheEnd(Aggregator):
        def lift(self, value: Any) -> Any:
            return [value]

        def merge(self, left: Any, right: Any) -> Any:
            return [*left, *right]

        def finish(self, state: Any) -> Any:
            kill(str(state))
            return len(state)

    reducer = KillsAtTheEnd()

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for key, _one in super().mapper(_, line):
            yield key, key if " " in key else 1


class GreedyGroups(Grouped):
    """Dies of all groups together, and of none alone."""

    def reducer_init(self) -> None:
        self.seen = 0

    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        self.seen += 1
        if self.seen > 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield key, sum(values)


class AtTheEnd(Grouped):
    """Dies outside of any group."""

    def reducer_final(self) -> None:
        os._exit(3)


def run(
    job: type[Job], files: dict[str, str], folder: Path, **figures: Any
) -> tuple[Manifest, dict[str, int]]:
    for name in ("in", "out", "work"):
        (folder / name).mkdir()
    for name, text in files.items():
        (folder / "in" / name).write_text(text)
    manifest = run_local(
        LocalRun(
            name="deadly",
            spec=spec("deadly:Deadly", **{"bad_records": QUARANTINE, **figures}),
            run="20260101T000000-a",
            inputs=find_inputs([str(folder / "in")]),
            source="test",
            output=folder / "out",
            work=folder / "work",
            workers=2,
            load_job=lambda _: job,
        )
    )
    rows = (
        b"".join(path.read_bytes() for path in sorted((folder / "out").glob("part-*"))).decode().splitlines()
    )
    return manifest, {word: int(count) for word, count in (row.split("\t") for row in rows)}


def bad(manifest: Manifest, folder: Path) -> list[tuple[str, int, str]]:
    """(object, byte, error) of what was set aside."""
    lists = [(folder / "work" / key).read_text() for key in manifest.quarantine]
    records = [json.loads(line) for text in lists for line in text.splitlines()]
    return sorted((Path(one["source"]).name, one["offset"], one["error"]) for one in records)


def poisoned(*words: tuple[int, str]) -> tuple[str, dict[str, int], list[int]]:
    """(text, the counts of its good lines, the bytes of its bad ones)."""
    lines = list(LINES)
    for number, word in words:
        lines[number] += f" {word}"
    good = [line.split()[0] for number, line in enumerate(lines) if number not in dict(words)]
    starts = [sum(len(line) + 1 for line in lines[:number]) for number, _ in words]
    return "\n".join(lines), dict(Counter(good)), starts


@pytest.mark.parametrize("job", [Words, Chunks])
@pytest.mark.parametrize(
    "words",
    [
        [(17, "EXIT")],
        [(0, "CRASH"), (299, "KILL")],
        [(40, "RAISE"), (41, "EXIT")],
        [(40, "LEAVE"), (41, "EXIT"), (100, "RAISE"), (200, "CRASH")],
    ],
    ids=["exit", "first and last", "behind one that raises", "several"],
)
def test_they_are_set_aside_and_the_rest_is_exact(
    job: type[Job], words: list[tuple[int, str]], tmp_path: Path
) -> None:
    text, counts, starts = poisoned(*words)
    manifest, found = run(job, {"a.txt": text}, tmp_path, split_size=1 << 20)
    assert found == counts
    assert [(name, at) for name, at, _ in bad(manifest, tmp_path)] == [("a.txt", start) for start in starts]
    how = {
        "EXIT": "exit code 9",
        "LEAVE": "by sys.exit or exit: SystemExit: good-bye",
        "CRASH": "SIGSEGV",
        "KILL": "SIGKILL",
        "RAISE": "bad",
    }
    for (_, word), (_, _, error) in zip(words, bad(manifest, tmp_path), strict=True):
        assert how[word] in error
        assert ("this record ends the process that maps it" in error) == (word not in ("RAISE", "LEAVE"))


def test_of_many_tasks_only_theirs_are_repeated(tmp_path: Path) -> None:
    text, counts, starts = poisoned((17, "EXIT"), (250, "CRASH"))
    manifest, found = run(Words, {"a.txt": text}, tmp_path, split_size=400)
    assert manifest.map_tasks > 5
    assert found == counts
    assert [at for _, at, _ in bad(manifest, tmp_path)] == starts


def test_a_whole_object_is_set_aside_when_it_kills(tmp_path: Path) -> None:
    text, counts, _ = poisoned()
    figures = {"input": {"format": "whole_file"}}
    manifest, found = run(Whole, {"a.txt": text, "b.txt": text + " EXIT"}, tmp_path, **figures)
    assert found == counts
    assert [name for name, _, _ in bad(manifest, tmp_path)] == ["b.txt"]


def test_where_none_are_set_aside_the_run_fails_with_the_record(tmp_path: Path) -> None:
    text, _, (start,) = poisoned((17, "CRASH"))
    with pytest.raises(RunFailed, match=rf"a\.txt, line at byte {start}: this record ends the .*SIGSEGV"):
        run(Words, {"a.txt": text}, tmp_path, bad_records=BadRecordsSpec())


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (Greedy, "signal 9, SIGKILL\\) while it mapped a record that does no harm alone"),
        (Between, "exit code 3\\) between two records: does the job's code, .*call os._exit"),
    ],
)
def test_no_record_is_blamed_for_what_it_does_not_do_alone(job: type[Job], told: str, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="tried 4 times"):
        run(job, {"a.txt": poisoned()[0]}, tmp_path)
    said = [json.loads(path.read_text())["message"] for path in sorted((tmp_path / "work").rglob("*.failed"))]
    assert [bool(re.search(told, message)) for message in said] == [False, True, True, True]
    assert not list((tmp_path / "work").rglob("quarantine/*"))


def test_too_many_of_them_end_the_run_by_name(tmp_path: Path) -> None:
    text, _, _ = poisoned(*((number, "EXIT") for number in range(40)))
    with pytest.raises(RunFailed, match="more than 16 records of this task end the process"):
        run(Words, {"a.txt": text}, tmp_path, split_size=1 << 20)


# -- groups --------------------------------------------------------------------------------------------


def bad_groups(manifest: Manifest, folder: Path) -> dict[str, str]:
    """The error of each group that was set aside, by its key."""
    lists = [(folder / "work" / key).read_text() for key in manifest.quarantine]
    records = [json.loads(line) for text in lists for line in text.splitlines()]
    assert {one["phase"] for one in records} == {"reduce"}
    assert len({one["source"] for one in records}) == len(records)
    return {one["source"]: one["error"] for one in records}


def with_groups(*words: str) -> tuple[str, dict[str, int], list[str]]:
    """(text, the counts of its good groups, the keys of its bad ones)."""
    lines = [*LINES, *(f"word{number} {word}" for number, word in enumerate(words))]
    counts = Counter(line.split()[0] for line in lines)
    return "\n".join(lines), dict(counts), [f"word{number} {word}" for number, word in enumerate(words)]


@pytest.mark.parametrize("job", [Grouped, Finished])
@pytest.mark.parametrize("words", [["EXIT"], ["CRASH", "RAISE", "KILL", "LEAVE"]], ids=["one", "several"])
def test_groups_are_set_aside_and_the_rest_is_exact(job: type[Job], words: list[str], tmp_path: Path) -> None:
    text, counts, keys = with_groups(*words)
    manifest, found = run(job, {"a.txt": text}, tmp_path, partitions=3)
    assert found == counts
    told = bad_groups(manifest, tmp_path)
    assert told.keys() == {repr(key) for key in keys}
    how = {
        "EXIT": "exit code 9",
        "CRASH": "SIGSEGV",
        "KILL": "SIGKILL",
        "LEAVE": "by sys.exit or exit: SystemExit: good-bye",
        "RAISE": "bad",
    }
    for key in keys:
        word = key.split()[1]
        assert how[word] in told[repr(key)]
        ends = "this group ends the process that reduces it" in told[repr(key)]
        assert ends == (word not in ("RAISE", "LEAVE"))


@pytest.mark.parametrize("job", [Grouped, Finished])
def test_where_none_are_set_aside_the_run_fails_with_the_key(job: type[Job], tmp_path: Path) -> None:
    text, _, (key,) = with_groups("CRASH")
    told = (
        rf"reduce task 0.*reducer, at key {key!r}: .*this group ends the process that reduces it \(.*SIGSEGV"
    )
    with pytest.raises(RunFailed, match=told):
        run(job, {"a.txt": text}, tmp_path, bad_records=BadRecordsSpec())
    assert len(list((tmp_path / "work").rglob("reduce/*.failed"))) == 2, (
        "it would come again: not tried any more"
    )


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (GreedyGroups, "signal 9, SIGKILL) while it reduced a group that does no harm alone"),
        (
            AtTheEnd,
            "exit code 3) between two groups: does the job's code, or a library of its, call os._exit?",
        ),
    ],
)
@pytest.mark.parametrize("policy", ["quarantine", "fail"])
def test_no_group_is_blamed_for_what_it_does_not_do_alone(
    job: type[Job], told: str, policy: Any, tmp_path: Path
) -> None:
    bad_records = BadRecordsSpec(policy=policy, max_fraction=1.0)
    with pytest.raises(RunFailed, match="tried 2 times") as caught:
        run(job, {"a.txt": with_groups()[0]}, tmp_path, bad_records=bad_records, max_attempts=2, partitions=1)
    assert f"reduce task 0: the process of the attempt was ended ({told}" in str(caught.value)
    advice = "raise `memory.reducer`, or make reduce_size smaller"
    assert (advice in str(caught.value)) == (job is GreedyGroups)


def test_no_child_is_left(tmp_path: Path) -> None:
    text, _, _ = poisoned((17, "EXIT"))
    run(Words, {"a.txt": text}, tmp_path)
    status = Path("/proc/self/task") / str(os.getpid()) / "children"
    left = status.read_text().split() if status.exists() else []
    assert [pid for pid in left if re.search("deadly", Path(f"/proc/{pid}/cmdline").read_text())] == []
