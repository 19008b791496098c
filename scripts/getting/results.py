"""The results of one run, found by its manifest: listed, passed on part after part, or downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.errors import CorruptData, NotFound, UserError
from chalicelib.core.keys import MANIFEST, SUCCESS, OutputKeys, is_part
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan import Split
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc, Store
from chalicelib.core.tasks import Part
from chalicelib.mapreduce.input.blocks import whole_object
from chalicelib.stores.folder import FolderStore
from scripts.console.terminal import count, human_bytes
from scripts.runs.places import Place, named_run, results_of
from scripts.runs.world import World

#: Objects that are downloaded at once.
_AT_ONCE = 8
_TEMPORARY = ".getting"


@dataclass(frozen=True)
class Results:
    """What a run has published."""

    store: Store
    output: Loc
    manifest: Manifest

    def name(self, part: Part) -> str:
        """Where a part lies below its run's results. Raises CorruptData for what is no name of a part.

        With `accumulate` it may be another run's, whose totals are this one's.
        """
        *folders, last = part.key.split("/")
        while folders and "=" in folders[-1]:
            last = f"{folders.pop()}/{last}"
        if not is_part(last):
            raise CorruptData(f"{OutputKeys(self.output).manifest.url}: {part.key!a} is no part's name")
        return last

    def parts(self, output: str = "") -> list[Part]:
        """Those of the main output, or of one of the job's other `outputs`, in order."""
        wanted = f"output={output}/" if output else ""
        return [
            part
            for part in self.manifest.parts
            if (self.name(part).startswith(wanted) if wanted else not self.name(part).startswith("output="))
        ]

    def at(self, part: Part) -> Loc:
        """Where it is; of a folder of results, whatever run wrote them elsewhere, in it."""
        key = part.key if self.output.key else self.name(part)
        return Loc(self.output.bucket, key)


def find_results(world: World, place: Place, run: str) -> Results:
    """The results of a run of this id, or of the newest if it is `latest`. Raises UserError if it has not succeeded."""
    keys = named_run(world, place, run)
    store = world.open_store(place.work, [keys])
    output = results_of(place, keys)
    if output is None:
        try:
            output = read_head(store, keys).output
        except NotFound as error:
            raise UserError(
                f"{keys.root.url}: no run {keys.run!r} of job {keys.job!r} here; scripts/status.py lists the runs"
            ) from error
    return published(store, output, f"job {keys.job}, run {keys.run}")


def results_in(folder: Path) -> Results:
    """The results that `scripts/run.py` has written to a folder. Raises UserError if there are none."""
    output = Loc(str(folder.absolute()), "")
    return published(FolderStore([folder.absolute()]), output, str(folder))


def published(store: Store, output: Loc, whose: str) -> Results:
    """The results in a place; `whose` they are is for the message. Raises UserError if there are none."""
    place = OutputKeys(output)
    try:
        manifest = decode(Manifest, store.get(place.manifest), place.manifest.url)
        if manifest.outcome == "success":
            store.head(place.success)  # the manifest comes first
    except NotFound as error:
        raise UserError(
            f"{whose}: has no results yet at {output.url}: scripts/status.py says how it stands"
        ) from error
    if manifest.outcome != "success":
        raise UserError(f"{whose}: has failed, and left no results: {manifest.reason.splitlines()[0]}")
    return Results(store, output, manifest)


def listing(results: Results) -> Iterator[str]:
    """A line for each object: its rows, its bytes, where it is."""
    for part in results.manifest.parts:
        rows = count(part.records, "record")
        yield f"{rows:>18}  {human_bytes(part.bytes):>10}  {results.at(part).url}"


def contents(results: Results, parts: Sequence[Part]) -> Iterator[bytes]:
    """The bytes of the parts, one after the other, unpacked if they are compressed."""
    for part in parts:
        loc = results.at(part)
        info = results.store.head(loc)
        if info.size:
            yield from whole_object(
                results.store,
                Split(
                    bucket=loc.bucket, key=loc.key, etag=info.etag, start=0, stop=info.size, size=info.size
                ),
            )


def download(results: Results, folder: Path) -> list[str]:
    """All parts as they are, then manifest and `_SUCCESS`, into a folder that is new or empty; what was done.

    Raises UserError if there is something in it, CorruptData for a part that is not what the manifest says.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if next(folder.iterdir(), None) is not None:
            raise UserError(f"{folder}: is not empty: expected a new or empty folder")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to: {error.strerror}: choose another folder") from error
    parts = results.manifest.parts
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda part: _fetch(results, part, folder), parts):
            pass
    place = OutputKeys(results.output)
    (folder / MANIFEST).write_bytes(results.store.get(place.manifest))
    (folder / SUCCESS).write_bytes(b"")
    size = sum(part.bytes for part in parts)
    return [f"{folder}: {count(len(parts), 'object')}, {human_bytes(size)}"]


def _fetch(results: Results, part: Part, folder: Path) -> None:
    path = folder / results.name(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.with_name(f"{path.name}{_TEMPORARY}")
    with waiting.open("wb") as file:
        for chunk in results.store.stream(results.at(part)):
            file.write(chunk)
        size = file.tell()
    if size != part.bytes:
        waiting.unlink()
        raise CorruptData(
            f"{results.at(part).url}: expected {part.bytes} bytes as in the manifest, got {size}"
        )
    os.replace(waiting, path)
