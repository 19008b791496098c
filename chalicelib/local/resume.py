"""A run whose process was killed, taken up again: what it is of is written in its work folder, and compared.

    <work>/unfinished/<job>/<run>.json   what the run is of; locked by the process that is at it, gone once it has ended
    <work>/unfinished/<job>/<run>/       its results, if they are to go to S3

Tasks that have a marker are done. All others are asked for again: of a run that is taken up nobody is at work.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from ..core.errors import CorruptData, NotFound, StoreError, UserError
from ..core.keys import Phase, RunKeys
from ..core.messages import Message, decode, encode, to_payload
from ..core.plan_file import read_head
from ..core.ports import Invoker, Loc, ObjectInfo, Store
from ..core.spec import JobSpec
from ..functions.supervision.next_phase import planned_tasks
from ..run import lease
from ..run.calls import FUNCTION, call_for
from ..run.progress import Progress, scan


class RunOf(Message, frozen=True, kw_only=True):
    """What a run is of."""

    run: str
    #: URL of the place that its results go to.
    output: str
    #: Digests.
    code: str
    settings: str
    input: str


def settings_of(spec: JobSpec) -> str:
    """The digest of a configuration, before it is tuned for this machine."""
    return hashlib.sha256(msgspec.json.encode(spec)).hexdigest()[:16]


def input_of(objects: Iterable[tuple[str, ObjectInfo]]) -> str:
    """The digest of what is read: names, versions and order."""
    found = hashlib.sha256()
    for bucket, info in objects:
        found.update(
            f"{Loc(bucket, info.key).url}\0{info.etag}\0{info.size}\n".encode(errors="surrogateescape")
        )
    return found.hexdigest()[:16]


class Going(Struct, frozen=True):
    """A run that is under way in a work folder."""

    run: str
    #: A folder for results that are to go elsewhere.
    results: Path
    #: It was begun by a process that was killed.
    resumed: bool = False
    #: The descriptor of its lock.
    locks: tuple[int, ...] = ()


@contextmanager
def going_on(work: Path, job: str, new: RunOf, is_left: Callable[[Path, str], bool]) -> Iterator[Going]:
    """The run to do: `new` or, if one into the same output was killed, that one. Nothing of this outlives its end.

    `is_left` says of a run, and of the folder of results that go elsewhere, whether what it has written is still there;
    else it begins anew. What fails because a store does not answer can be taken up, too. Raises UserError, a sentence,
    if the killed one is of other code, settings or input.
    """
    folder = work / "unfinished" / job
    folder.mkdir(parents=True, exist_ok=True)
    found = _killed(folder, new)
    if found and not is_left(found[0].with_suffix(""), found[0].stem):
        _forget(found[0], work)
        os.close(found[1])
        found = None
    path, lock = found or _begun(folder, new)
    run = path.stem
    try:
        yield Going(run, folder / run, bool(found), (lock,))
    except StoreError:
        raise
    except BaseException:
        _forget(path, work)
        raise
    else:
        _forget(path, work)
    finally:
        os.close(lock)


def _forget(path: Path, work: Path) -> None:
    path.unlink(missing_ok=True)
    for left in (path.with_suffix(""), scratch_of(work, path.stem)):
        shutil.rmtree(left, ignore_errors=True)


def scratch_of(work: Path, run: str) -> Path:
    """The folder for what a run's workers do not keep."""
    return work / "tmp" / run


def _begun(folder: Path, new: RunOf) -> tuple[Path, int]:
    path = folder / f"{new.run}.json"
    lock = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, encode(new))
    return path, lock


def _killed(folder: Path, new: RunOf) -> tuple[Path, int] | None:
    """The newest run into the same output that no process is at, locked. Raises UserError if it is of other things."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        try:
            lock = os.open(path, os.O_RDWR)
        except FileNotFoundError:  # it has just ended
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = decode(RunOf, path.read_bytes(), str(path))
        except (
            BlockingIOError,
            FileNotFoundError,
            CorruptData,
        ):  # at work, just ended, or killed at its very beginning
            os.close(lock)
            continue
        if there.output != new.output:
            os.close(lock)
            continue
        if changed := [
            name for name in ("code", "settings", "input") if getattr(there, name) != getattr(new, name)
        ]:
            os.close(lock)
            raise UserError(
                f"{path}: run {there.run} was killed, and its {' and '.join(changed)} "
                f"{'is' if len(changed) == 1 else 'are'} not what it was begun with: go on with that,"
                f" or delete this file to begin anew"
            )
        return path, lock
    return None


class Standing(Struct, frozen=True):
    """How far a run had come."""

    step: int
    phase: Phase
    tasks: int
    done: Sequence[int]


def take_up(store: Store, invoker: Invoker, keys: RunKeys) -> Standing:
    """Free what the dead hold, and ask for each task of the phase under way that has no marker."""
    step = _step(store, keys)
    keys = keys.at(step)
    lease.free(store, keys.lease)
    phase, tasks = _phase(store, keys)
    progress = Progress(phase, tasks)
    scan(store, keys, progress)
    for task in progress.missing():
        attempt = max(progress.failed.get(task, ()), default=-1) + 1
        call = call_for(keys, task, task + 1, attempt)
        payload = {**to_payload(call), "exchange": phase == "exchange"}
        invoker.invoke(FUNCTION[phase], payload)
    return Standing(step, phase, tasks, tuple(progress.done))


def _step(store: Store, keys: RunKeys) -> int:
    """The last step that has a plan."""
    step = 0
    while _is_there(store, keys.at(step + 1).plan):
        step += 1
    return step


def _phase(store: Store, keys: RunKeys) -> tuple[Phase, int]:
    phases: tuple[tuple[Phase, Loc], ...] = (
        ("reduce", keys.reduce_started),
        ("exchange", keys.exchange_started),
    )
    for phase, started in phases:
        if _is_there(store, started):
            return phase, planned_tasks(store, keys, phase)
    return "map", read_head(store, keys).tasks


def _is_there(store: Store, loc: Loc) -> bool:
    try:
        store.head(loc)
    except NotFound:
        return False
    return True
