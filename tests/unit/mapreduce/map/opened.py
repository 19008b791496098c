"""A split in a memory store, opened, and what its steps give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

from chalicelib import Job
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, InputSpec
from chalicelib.job.binding import bind
from chalicelib.job.job import Each
from chalicelib.mapreduce.guard.deadline import endless
from chalicelib.mapreduce.guard.isolate import Isolation
from chalicelib.mapreduce.guard.location import Where
from chalicelib.mapreduce.guard.quarantine import Quarantine
from chalicelib.mapreduce.map.open_split import Columns, OpenSplit, Step, Tally
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore


class Opened:
    """One object as a split, from byte `start` on; bad records are set aside in `quarantine`."""

    def __init__(
        self,
        job: type[Job],
        body: bytes,
        folder: Path = Path(),
        *,
        key: str = "a.txt",
        start: int = 0,
        skip: int = 0,
        policy: Any = "fail",
        identity: bool = False,
        **settings: Any,
    ) -> None:
        store = MemoryStore()
        etag = store.put(Loc("in", key), body)
        split = Split(bucket="in", key=key, etag=etag, start=start, stop=len(body), size=len(body), skip=skip)
        bound = bind(job, "job", {}, identity=identity)
        self.quarantine = Quarantine(BadRecordsSpec(policy=policy), "map")
        where = Where("job")
        where.open(split)
        self.split = OpenSplit(
            split=split,
            spec=InputSpec(url="s3://in/", **settings),
            record_type=None,
            job=bound,
            store=store,
            disk=LocalDisk(folder),
            folder=folder,
            where=where,
            pace=endless(),
            isolation=Isolation(bound, split, where, endless(), self.quarantine),
            tally=Tally(),
        )

    def read(
        self, steps: Callable[[OpenSplit], Iterator[Step]]
    ) -> tuple[list[Any], list[tuple[int, int] | None]]:
        """All pairs, and the edges behind all steps."""
        pairs: list[Any] = []
        edges = []
        for step in steps(self.split):
            found = step.call()
            if isinstance(found, Each):
                found = zip(found.keys, repeat(found.value))
            elif isinstance(found, Columns):
                found = zip(*found, strict=True)
            pairs += found.items() if isinstance(found, dict) else found or ()
            self.split.pace.end()
            edges.append(step.edge() if step.edge else None)
        return pairs, edges

    @property
    def bad(self) -> list[tuple[int | None, int | None, str]]:
        """(byte, line, text) of what was set aside."""
        return [(record.offset, record.line, record.text) for record in self.quarantine.records]

    @property
    def counted(self) -> tuple[int, int]:
        return self.split.tally.records, self.split.tally.bytes


class Lines(Job):
    """A record as its own key; `bad` is a bad one."""

    def mapper(self, _: Any, record: Any) -> Any:
        if record == "bad":
            raise ValueError("no")
        return [(record, 1)]
