"""What runs of many tasks cost the functions that see all of them: the real code over a made-up store.

Each act is measured in a process of its own, whose memory the operating system counts. Tests hold it to a bound, and
`python -m benchmarks size` makes the figures of docs/performance.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random
from typing import Any, Self

from chalicelib import Job, Sum
from chalicelib.core.errors import NotFound
from chalicelib.core.keys import RunKeys, parse_done
from chalicelib.core.messages import Stats, decode, encode
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import read_head, read_tasks
from chalicelib.core.ports import Loc, ObjectInfo, Runtime
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.core.tasks import MapMarker, ReducePlan, ReduceTask
from chalicelib.functions import coordinator
from chalicelib.mapreduce.shuffle.offsets import pack
from chalicelib.run.events import event_for
from chalicelib.run.progress import Progress, scan
from chalicelib.run.reduce_plan import plan_reduce, read_slices
from chalicelib.stores.disk import LocalDisk

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
#: What was counted, by name.
Counts = dict[str, Any]
KEYS = RunKeys(Loc("work", ""), "sort", "20261127T040000-0123456789ab")


class MadeUp:
    """A store of markers that are made when they are read; what is written lies in files."""

    parallel_reads = 0

    def __init__(self, folder: Path, tasks: int, partitions: int) -> None:
        self._folder, self._tasks = folder, tasks
        self.requests: Counter[str] = Counter()
        random = Random(7)
        self._rows = []
        for _ in range(16):  # different enough; to make each would take longer than to read it
            sizes = [random.randint(8_000, 24_000) for _ in range(partitions)]
            self._rows.append(pack([0, *accumulate(sizes)]))

    def _path(self, loc: Loc) -> Path:
        return self._folder / loc.key.replace("/", "_")

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        self.requests["get"] += 1
        task = parse_done(loc.key)
        if task is not None:
            return self._marker(task)
        try:
            with self._path(loc).open("rb") as file:
                file.seek(start)
                return file.read(-1 if stop is None else stop - start)
        except FileNotFoundError:
            raise NotFound(loc.url) from None

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        self.requests["put"] += 1
        self._path(loc).write_bytes(body)
        return "etag"

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        self.put(loc, body, mark)
        return True

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        """Of the map phase alone: its markers, and the run files beside them."""
        if prefix != KEYS.phase("map") or after:
            raise NotImplementedError
        self.requests["list"] += 1
        for task in range(self._tasks):
            for loc in (KEYS.run_file(task, 0, f"{task:012x}"), KEYS.done("map", task)):
                yield ObjectInfo(loc.key, 1, "", 0.0)

    def _marker(self, task: int) -> bytes:
        token = f"{task:012x}"
        run_file = KEYS.run_file(task, 0, token).key
        marker = MapMarker(
            task=task, attempt=0, token=token, run_file=run_file, offsets=self._rows[task % len(self._rows)],
            key_types=("bytes",), stats=Stats(records_in=700_000, bytes_in=1 << 26, gets=9, puts=3),
            started=1000.0 + task % 90, finished=1060.0 + task % 90,
        )  # fmt: skip
        return encode(marker)


def _plan(tasks: int, partitions: int) -> Plan:
    spec = JobSpec(
        job="sort:Sort",
        input=InputSpec(url="s3://in/"),
        work=PlaceSpec(url="s3://work/"),
        output=OutputSpec(url="s3://out/"),
    )
    return Plan(
        job=KEYS.job, run=KEYS.run, token="t", source="s3://in/_READY", head=0, spec=spec, work=KEYS.work,
        output=Loc("out", ""), partitions=partitions, tasks=tasks, page=32, pages=(0,), inputs=tasks,
        bytes=tasks << 26, created=990.0, code="c",
    )  # fmt: skip


def _store(folder: Path, tasks: int, partitions: int) -> Any:
    place = folder / f"{tasks}x{partitions}"
    place.mkdir(exist_ok=True)
    return MadeUp(place, tasks, partitions)


def shuffle(folder: Path, tasks: int, partitions: int) -> Counts:
    """The supervisor's share: from all markers to the index and the reduce plan."""
    store = _store(folder, tasks, partitions)
    reduce_plan = plan_reduce(store, KEYS, _plan(tasks, partitions))
    store.put(KEYS.reduce_plan, encode(reduce_plan))
    index = sum(len(store.get(KEYS.index_block(n))) for n in range(len(reduce_plan.index)))
    return {"reduce tasks": len(reduce_plan.tasks), "MiB of index": index // MIB, **store.requests}


def reducer(folder: Path, tasks: int, partitions: int, share: int) -> Counts:
    """A reducer's share, `share` partitions of those that `shuffle` has planned: what it must fetch."""
    store = _store(folder, tasks, partitions)
    reduce_plan = decode(ReducePlan, store.get(KEYS.reduce_plan), "the reduce plan")
    store.requests.clear()
    first = (partitions - share) // 2
    some = [task for task in reduce_plan.tasks if first <= task.first and task.last <= first + share]
    task = ReduceTask(first=some[0].first, last=some[-1].last, bytes=sum(task.bytes for task in some))
    slices = read_slices(store, KEYS, reduce_plan, task)
    size = sum(slices.size(number) for number in range(task.last - task.first))
    if size != task.bytes:
        raise SystemExit(f"expected {task.bytes} bytes in {task}, found {size}")
    return {"run files": len(slices.run_files), "partitions": task.last - task.first, **store.requests}


def count(_: Path, tasks: int, *missing: int) -> Counts:
    """A supervisor's look at a phase: one listing of all markers, and of the run files beside them."""

    stem = KEYS.phase("map").key

    def number(task: int) -> str:
        """As the keys have it, which would take longer to make than all else takes."""
        return f"{task:06d}" if task < 10**6 else f"a{task}"

    for task in (0, 7, 999_999, 10**6, tasks - 1):
        assert f"{stem}{number(task)}.done" == KEYS.done("map", task).key
        assert f"{stem}{number(task)}.0.0123456789ab.run" == KEYS.run_file(task, 0, "0123456789ab").key

    class Listed:
        def list(self, _prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
            gaps = [-1, *sorted(missing), tasks]
            for before, gap in pairwise(gaps):
                for task in range(before + 1, gap):
                    key = f"{stem}{number(task)}"
                    yield ObjectInfo(f"{key}.0.0123456789ab.run", 1, "", 0.0)
                    yield ObjectInfo(f"{key}.done", 1, "", 0.0)

    store: Any = Listed()
    progress = Progress("map", tasks)
    scan(store, KEYS, progress)
    return {"done": len(progress.done), "missing": progress.missing()}


def plan(folder: Path, objects: int, size: int) -> Counts:
    """The coordinator's share: a `_READY` over so many objects of `size` bytes, in order of their keys."""
    ready = Loc("in", "data/_READY")

    class Listed(MadeUp):
        def head(self, loc: Loc) -> ObjectInfo:
            return ObjectInfo(loc.key, 0, "ready", 0.0)

        def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
            if prefix.key != "data/":
                return
            for number in range(objects):
                key = f"data/2026/11/{number // 40_000:02d}/events-{number:09d}-{number * 7919 % 65_521:04x}.json"
                yield ObjectInfo(key, size, f"{number * 0x9E3779B97F4A7C15 % (1 << 128):032x}", 1.0 + number)

        def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> Any:
            return _Written(self._path(loc))

    class Words(Job):
        def mapper(self, _: Any, line: Any) -> Any:
            yield line, 1

        reducer = Sum()

    store: Any = Listed(folder, 1, 1)
    runtime = Runtime(
        store=store, invoker=_Nobody(), clock=_Clock(), new_token=lambda: "t", remaining=lambda: 300.0,
        load_job=lambda _: Words, disk=LocalDisk(folder),
    )  # fmt: skip
    spec = JobSpec(
        job="words:Words", trigger="marker", input=InputSpec(url="s3://in/data/"), work=PlaceSpec(url="s3://work/"),
        output=OutputSpec(url="s3://out/"),
    )  # fmt: skip
    coordinator.handle(runtime, event_for(ready), "words", spec)
    (path,) = folder.glob("*plan.json")
    keys = RunKeys(Loc("work", ""), "words", re.findall(r"runs_words_(.*)_plan.json", path.name)[0])
    made = read_head(store, keys)
    last = read_tasks(store, keys, made, made.tasks - 1, made.tasks)[0]
    return {
        "objects": made.inputs,
        "tasks": made.tasks,
        "splits of the last": len(last),
        "MiB of plan": path.stat().st_size // MIB,
    }


class _Written:
    """Writes a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.write = self._file.write

    def commit(self) -> bool:
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Nobody:
    def invoke(self, function: str, payload: dict[str, Any]) -> None: ...


class _Clock:
    def now(self) -> float:
        return 1000.0

    def pause(self, seconds: float) -> None:
        raise AssertionError("a coordinator does not wait")


ACTS: dict[str, Callable[..., Counts]] = {
    "shuffle": shuffle,
    "reducer": reducer,
    "count": count,
    "plan": plan,
}


def peak() -> int:
    """MiB. Not by getrusage, whose peak is that of the process which started this one, if that was larger."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) >> 10


def main() -> None:
    act, folder, *figures = sys.argv[1:]
    began = time.process_time()
    counted = ACTS[act](Path(folder), *map(int, figures))
    print(json.dumps({"MiB": peak(), "seconds": time.process_time() - began, "counted": counted}))


def measured(act: str, folder: Path, *figures: int) -> dict[str, Any]:
    """One of `ACTS` in a process of its own: its peak memory in MiB, processor seconds, and what it counted."""
    command = [sys.executable, "-m", "tests.worlds.at_size", act, str(folder), *map(str, figures)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=900, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
