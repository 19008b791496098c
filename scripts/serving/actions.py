"""What the page's buttons do: the same as the commands, whose words are the answer."""

from __future__ import annotations

import io
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chalicelib.config.load import load_job
from chalicelib.core.errors import UserError
from chalicelib.core.ports import Loc
from scripts.console.terminal import Screen
from scripts.redriving.run import show_and_redrive
from scripts.stopping.stop import stop_run
from scripts.submitting.resume import resume
from scripts.submitting.submit import begin_again, begin_files
from scripts.submitting.waiting import Started, an_hour_before, known_runs
from scripts.submitting.world import World as SubmitWorld

from .sources import Sources

#: What was started, and uploads that are under way, of which so many are remembered.
_REMEMBERED = 200
#: Bytes of the longest file's name that a file system takes.
_LONGEST = 255


@dataclass
class Actions:
    """All of them. Each returns {"told": text, "done": whether it was done, "follow": what to follow, or None}."""

    sources: Sources
    submitting: SubmitWorld
    #: Who stops a run of a place.
    who: Callable[[Loc], str]
    #: Where files lie while they are uploaded.
    folder: Path
    #: What was started, by the id to follow it by: (source, the runs).
    started: OrderedDict[str, tuple[int, Started]] = field(default_factory=OrderedDict)
    _uploads: OrderedDict[str, list[str]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # -- of a run ------------------------------------------------------------------------------------

    def stop(self, number: int, job: str, run: str, why: str) -> dict[str, Any]:
        """End a run. Raises UserError."""
        source, keys = self.sources.named(number, job, run)
        out = io.StringIO()
        world = replace(self.sources.world, screen=Screen(out, terminal=False))
        place = self.sources.place(source, job)
        code = stop_run(world, place, keys.run, self.who(place.work), " ".join(why.split()))
        return _told(out, done=code == 0)

    def again(self, number: int, job: str, run: str) -> dict[str, Any]:
        """Do a run again over the same objects, as a new run. Raises UserError."""
        self._deployed(number, job, run)
        world, out = self._submitting()
        return _told(out, follow=self._remember(number, begin_again(job, run, world, followed=True)))

    def resume(self, number: int, job: str, run: str) -> dict[str, Any]:
        """Pick up a run that stands still. Raises UserError."""
        self._deployed(number, job, run)
        world, out = self._submitting()
        return _told(out, done=resume(job, run, world, wait=False) == 0)

    def redrive(self, number: int, job: str, run: str) -> dict[str, Any]:
        """Run bad records again or, of a run on this machine, write the file to run on. Raises UserError."""
        source, _ = self.sources.named(number, job, run)
        out = io.StringIO()
        world = replace(self.sources.world, screen=Screen(out, terminal=False))
        since = an_hour_before(world.clock.now())
        place = self.sources.place(source, job)
        if not source.deployed:
            show_and_redrive(world, place, run, shown=0, again=True)
            return _told(out)
        loaded = load_job(job, root=world.root, environ=world.environ, require_cloud=True)
        store = self.submitting.store()
        before = known_runs(store, loaded, since)
        triggers = show_and_redrive(world, place, run, shown=0, again=True)
        started = Started(store, loaded, before, triggers, since=since)
        return _told(out, follow=self._remember(number, started) if triggers else None)

    # -- uploads -------------------------------------------------------------------------------------

    def begin_upload(self, number: int) -> str:
        """The id of a new upload into the place that a deployment watches. Raises UserError."""
        self._watched(number)
        name = secrets.token_hex(8)
        with self._lock:
            self._uploads[name] = []
            while len(self._uploads) > _REMEMBERED:
                self._forget(next(iter(self._uploads)))
        (self.folder / name).mkdir(parents=True)
        return name

    @contextmanager
    def file(self, upload: str, name: str, tag: str) -> Iterator[Path]:
        """Where the body of one file goes; it counts once it is whole. Raises UserError for a name that is none."""
        names = self._uploads.get(upload)
        if names is None:
            raise UserError("this upload is over: drop the files again")
        if name in ("", ".", "..") or "/" in name or "\0" in name or len(name.encode()) > _LONGEST:
            raise UserError(f"{name!r}: expected the name of a file, without folders")
        path = self.folder / upload / name
        if path.exists():
            raise UserError(f"{name}: twice in one upload: drop files of one name one after the other")
        try:
            yield path
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        names.append(f"{tag}={path}" if tag else str(path))

    def end_upload(self, number: int, upload: str) -> dict[str, Any]:
        """Put the files where the job watches, which starts runs. Raises UserError, and then nothing was put."""
        job = self._watched(number)
        with self._lock:
            names = self._uploads.get(upload)
        if not names:
            raise UserError("no file has come: drop the files again")
        world, out = self._submitting()
        try:
            started = begin_files(job, [Path(name) for name in names], world, followed=True)
        finally:
            with self._lock:
                self._forget(upload)
        return _told(out, follow=self._remember(number, started))

    # ------------------------------------------------------------------------------------------------

    def _forget(self, upload: str) -> None:
        self._uploads.pop(upload, None)
        shutil.rmtree(self.folder / upload, ignore_errors=True)

    def _submitting(self) -> tuple[SubmitWorld, io.StringIO]:
        out = io.StringIO()
        return replace(self.submitting, screen=Screen(out, terminal=False)), out

    def _watched(self, number: int) -> str:
        """The job of a deployment, which watches a place. Raises UserError."""
        if not 0 <= number < len(self.sources.all) or not self.sources.all[number].deployed:
            raise UserError(
                "files can be dropped for deployed jobs only; scripts/run.py runs a job on this machine"
            )
        return self.sources.all[number].place.job

    def _deployed(self, number: int, job: str, run: str) -> None:
        source, _ = self.sources.named(number, job, run)
        if not source.deployed:
            raise UserError(
                f"{job}: is not deployed from here: start it where its file is (scripts/submit.py, run.py)"
            )

    def _remember(self, number: int, started: Started) -> str:
        name = secrets.token_hex(8)
        with self._lock:
            self.started[name] = (number, started)
            while len(self.started) > _REMEMBERED:
                self.started.popitem(last=False)
        return name


def _told(out: io.StringIO, *, done: bool = True, follow: str | None = None) -> dict[str, Any]:
    return {"told": out.getvalue().rstrip(), "done": done, "follow": follow}
