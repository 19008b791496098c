"""Runs bad records again: starts a run over them on AWS, or writes a file to run on here."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from chalicelib.core.errors import CorruptData, NotFound, UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc, Store
from chalicelib.core.spec import parse_url
from chalicelib.core.tasks import BadRecord
from chalicelib.mapreduce.input.compression import compression
from chalicelib.mapreduce.shuffle.zstd import ZstdCompressor
from scripts.console.terminal import Line, count, typed
from scripts.runs.world import World
from scripts.submitting.send import manifest_loc

from .batches import Work, loc_of, sort_out

#: Where records to run again are put: in the work folder, or below the input place where each object starts a run.
REDRIVE = "redrive/"
#: The same where markers do: a hidden folder, which only the manifest of the redrive reads. A later `_READY` of the
#: folder above would else count the records once more.
HIDDEN_REDRIVE = f"_{REDRIVE}"

_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda body: ZstdCompressor().compress(body, ZstdCompressor.FLUSH_FRAME),
}


def redrive(
    world: World, store: Store, keys: RunKeys, plan: Plan, records: Sequence[BadRecord]
) -> tuple[list[Line], list[Loc]]:
    """Start a run over the records, or write a file to run on. Raises UserError.

    Returns what to print, and the objects that start runs.
    """
    if plan.spec.more_inputs or plan.spec.input.format == "parquet":
        raise UserError(
            f"{keys.job}: bad records of several inputs, or of Parquet, cannot be run by themselves: mend the mapper,"
            " and start a run over their objects"
        )
    local = keys.work.bucket.startswith("/")
    sources = world.open_store(Loc("/", ""), ()) if local else store
    work = sort_out(plan.spec.input, sources, records)
    lines: list[Line] = [[(text, "yellow")] for text in work.left_out]
    if not work.batches and not work.objects:
        return [*lines, [("nothing was re-driven", "")]], []
    started: list[Loc] = []
    lines += _on_this_machine(keys, plan, work) if local else _on_aws(world, store, keys, plan, work, started)
    what = [count(work.records, "record")] if work.records else []
    what += [count(len(work.objects), "whole object")] if work.objects else []
    lines.append(
        [(f"the results of {' and '.join(what)} stand alone: they are not merged with any others", "")]
    )
    lines.append(
        [("records that fail again count against bad_records.max_fraction: raise it for such a run", "dim")]
    )
    return lines, started


def _name(keys: RunKeys, number: int, suffix: str, folder: str = REDRIVE) -> str:
    more = f"-{number}" if number else ""
    return f"{folder}bad-records-of-{keys.run}{more}{suffix or '.txt'}"


def _on_this_machine(keys: RunKeys, plan: Plan, work: Work) -> Iterator[Line]:
    folder = Path(keys.work.bucket)
    inputs = list(work.objects)
    for number, batch in enumerate(work.batches):
        path = folder / _name(keys, number, plan.spec.input.suffix)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(packed(path.name, batch.body))
        inputs.append(str(path))
        yield [(f"{path}", ""), (f"  {count(len(batch.bodies), 'record')}", "dim")]
    yield [("run the job on them, into a folder of its own:", "")]
    yield [(typed(f"  scripts/run.py {keys.job} {' '.join(inputs)} --output redriven/"), "")]


def _on_aws(
    world: World, store: Store, keys: RunKeys, plan: Plan, work: Work, started: list[Loc]
) -> Iterator[Line]:
    """Puts what starts the runs, and adds it to `started`."""
    place = parse_url(plan.spec.input.url)
    folder = REDRIVE if plan.spec.trigger == "each" else HIDDEN_REDRIVE
    put: list[Loc] = []
    for number, batch in enumerate(work.batches):
        loc = place.child(_name(keys, number, plan.spec.input.suffix, folder))
        store.put(loc, packed(loc.key, batch.body))
        put.append(loc)
        yield [(loc.url, ""), (f"  {count(len(batch.bodies), 'record')}", "dim")]
    if plan.spec.trigger == "each":
        for number, url in enumerate(work.objects):
            loc = place.child(f"{REDRIVE}{keys.run}/{number}/{loc_of(url).key.rpartition('/')[2]}")
            _copy(store, url, loc)
            put.append(loc)
            yield [(loc.url, ""), (f"  a copy of {url}", "dim")]
        started += put
        yield [(typed(f"started {count(len(put), 'run')}: scripts/status.py {keys.job} shows them"), "")]
        return
    body = "".join(f"{url}\n" for url in (*(loc.url for loc in put), *work.objects)).encode()
    manifest = manifest_loc(plan.spec, body, world.clock.now())
    store.put(manifest, body)
    started.append(manifest)
    yield [
        (manifest.url, ""),
        (typed(f"  starts one run over them: scripts/status.py {keys.job} shows it"), "dim"),
    ]


def _copy(store: Store, url: str, to: Loc) -> None:
    try:
        with store.writer(to) as writer:
            for chunk in store.stream(loc_of(url)):
                writer.write(chunk)
            writer.commit()
    except NotFound as error:
        raise UserError(f"{url}: is gone: upload it again, which starts a run") from error


def packed(key: str, body: bytes) -> bytes:
    """`body`, compressed as the extension of `key` says. Raises CorruptData."""
    extension = compression(key)
    if extension is None:
        return body
    if extension not in _PACKERS:
        raise CorruptData(f"{key}: cannot be packed as {extension}")
    return _PACKERS[extension](body)
