"""What is to be run on this machine, and where."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from ..core.keys import Phase, RunKeys
from ..core.ports import Clock, Loc, ObjectInfo
from ..core.spec import JobSpec
from .remote.mixed_store import Remote
from .workers import World

#: What a progress display is told: step, from 0, phase, tasks done, tasks in all.
Progress = Callable[[int, Phase, int, int], None]


class SystemClock:
    """This machine's clock."""

    def now(self) -> float:
        return time.time()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)


class LocalFiles(Struct, frozen=True):
    """Input as files of this machine, whose bucket is `/`; what lies elsewhere is none."""

    processors: int

    def path(self, loc: Loc) -> Path | None:
        return Path("/", loc.key) if loc.bucket == "/" else None


class LocalRun(Struct, frozen=True, kw_only=True):
    """What to run and where; folders are absolute."""

    name: str
    spec: JobSpec
    run: str
    #: (bucket, object): of a file of this machine the bucket is `/`, and the key its path below that.
    inputs: Sequence[tuple[str, ObjectInfo]]
    source: str
    output: Path
    work: Path
    workers: int
    load_job: Callable[[str], type[Any]]
    #: Of several inputs, which one an object is of.
    tags: Mapping[Loc, str] = field(default_factory=dict)
    progress: Progress = lambda *_: None
    world: World = field(default_factory=World)
    #: The folder that the results' files lie in until somebody moves them to `output`; without it, `output`.
    staging: Path | None = None
    #: File descriptors that are the parent's alone, such as a lock's: workers let go of them.
    private: tuple[int, ...] = ()
    #: The run was begun by processes that were killed.
    resumed: bool = False
    #: Who is told to have stopped the run, if somebody interrupts it.
    user: Callable[[], str] = lambda: "somebody"
    #: What is read that is no file of this machine.
    remote: Remote | None = None
    #: The parent's clock; workers have their own.
    clock: Clock = field(default_factory=SystemClock)

    @property
    def keys(self) -> RunKeys:
        return RunKeys(Loc(str(self.work), ""), self.name, self.run)
