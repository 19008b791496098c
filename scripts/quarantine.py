#!/usr/bin/env python
"""Show the bad records that a run set aside and, once they or the job are mended, run them again.

    scripts/quarantine.py wordcount latest
    scripts/quarantine.py wordcount 20261121T032424-0123456789ab --redrive

A re-drive is a run of its own over those records alone: its results stand in their own place and are
merged with nothing. For a job on AWS the records are uploaded below the job's input place, which starts
it; for the local engine (--work DIR) they are written to a file to run on.
"""

from __future__ import annotations

import argparse
import base64
import bz2
import gzip
import lzma
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chalicelib.core.errors import CorruptData, NotFound, UserError
from chalicelib.core.keys import Phase, RunKeys, parse_quarantined, parse_run_key
from chalicelib.core.messages import decode
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc, Store
from chalicelib.core.spec import InputSpec, parse_url
from chalicelib.core.tasks import BadRecord, MapMarker, ReduceMarker
from chalicelib.mapreduce.guard.quarantine import KEPT
from chalicelib.mapreduce.input.compression import compression
from chalicelib.mapreduce.shuffle.zstd import ZstdCompressor
from scripts import status
from scripts.console.terminal import Line, count, human_bytes, run_main
from scripts.status import Place, World
from scripts.submit import manifest_loc

#: Where records to run again are put, below the input place or in the work folder.
REDRIVE = "redrive/"
#: Bytes in which a source's header line must end, as the engine reads it.
_HEADER = 1 << 16
_TEXT = 200

_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda body: ZstdCompressor().compress(body, ZstdCompressor.FLUSH_FRAME),
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="quarantine.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="the job: jobs/NAME.yml, or a .yml file")
    parser.add_argument("run", metavar="RUN", help="a run's id, or `latest`")
    parser.add_argument(
        "--show", type=int, default=10, metavar="N", help="show the first N (default %(default)s)"
    )
    parser.add_argument("--redrive", action="store_true", help="run the records again")
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the job's own work place"
    )
    options = parser.parse_args(argv)
    if options.show < 0:
        parser.error(f"--show: expected at least 0, got {options.show}")
    return options


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    place = named_place(options.name, options.work, world)
    keys = status.named_run(world, place, options.run)
    store = world.open_store(place.work, [keys])
    try:
        plan = read_head(store, keys)
    except NotFound as error:
        raise UserError(
            f"{keys.root.url}: no run {keys.run!r} of job {keys.job!r} here (or its work objects have expired,"
            " and the bad records with them); scripts/status.py lists the runs"
        ) from error
    found = (record for step in range(plan.steps) for record in bad_records(store, keys.at(step)))
    records = sorted(found, key=lambda record: (record.source, record.offset or 0))
    world.screen.print(*show(keys, records, options.show))
    if options.redrive and records:
        world.screen.print("", *redrive(world, store, keys, plan, records))
    return 0


def named_place(name: str, work: str | None, world: World) -> Place:
    return Place(status.work_place(work), Path(name).stem) if work else status.job_place(name, world)


def bad_records(store: Store, keys: RunKeys) -> Iterator[BadRecord]:
    """What the attempts of one step that were committed set aside, each record once.

    An attempt that died before it could clean up may have left the same records once more: the task's
    marker says which object counts.
    """
    for info in store.list(keys.quarantined):
        found = parse_quarantined(info.key)
        if found is None or not _counts(store, keys, *found, info.key):
            continue
        loc = Loc(keys.work.bucket, info.key)
        for number, line in enumerate(store.get(loc).splitlines(), start=1):
            yield decode(BadRecord, line, f"{loc.url}, line {number}")


def _counts(store: Store, keys: RunKeys, phase: Phase, task: int, key: str) -> bool:
    loc = keys.done(phase, task)
    kind: type[MapMarker | ReduceMarker] = MapMarker if phase == "map" else ReduceMarker
    try:
        return decode(kind, store.get(loc), loc.url).quarantine == key
    except NotFound:  # the task is still under way
        return False


# ---------------------------------------------------------------------------------------------------
# Show


def show(keys: RunKeys, records: Sequence[BadRecord], limit: int) -> list[Line]:
    """How many there are and why, then the first of them."""
    if not records:
        return [[(f"{keys.job} {keys.run}: no bad records", "")]]
    kinds = Counter(record.error.partition(":")[0] for record in records)
    told = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
    lines: list[Line] = [
        [(f"{keys.job} {keys.run}: ", "bold"), (f"{count(len(records), 'bad record')}: {told}", "")]
    ]
    for record in records[:limit]:
        lines += _shown(record)
    if len(records) > limit:
        lines += [[], [(f"... and {len(records) - limit:,} more; --show {len(records)} shows all", "dim")]]
    return lines


def _shown(record: BadRecord) -> Iterator[Line]:
    place = record.source if record.phase == "map" else f"group of key {record.source}"
    if record.offset is not None:
        place += f", byte {record.offset}"
    if record.line is not None:
        place += f", line {record.line}"
    yield []
    yield [(f"  {place}: ", "bold"), (record.error, "")]
    if record.text:
        text = record.text.rstrip("\r\n")
        yield [("    " + text[:_TEXT] + ("..." if len(text) > _TEXT else ""), "")]
    for line in record.traceback.splitlines():
        yield [("    " + line, "dim")]


# ---------------------------------------------------------------------------------------------------
# Re-drive


@dataclass
class Batch:
    """Records of one kind, as one object to run on."""

    #: The header line they were read with; empty without one.
    header: bytes = b""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return self.header + b"".join(self.bodies)


@dataclass(frozen=True)
class Work:
    """What is to be run again, and what cannot be, with the reason."""

    batches: list[Batch]
    #: URLs of objects that are bad as a whole.
    objects: list[str]
    left_out: list[str]

    @property
    def records(self) -> int:
        return sum(len(batch.bodies) for batch in self.batches)


def redrive(
    world: World, store: Store, keys: RunKeys, plan: Plan, records: Sequence[BadRecord]
) -> list[Line]:
    """Start a run over the records, or write down what to run; says what was done."""
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
        return [*lines, [("nothing was re-driven", "")]]
    lines += _on_this_machine(keys, plan, work) if local else _on_aws(world, store, keys, plan, work)
    what = [count(work.records, "record")] if work.records else []
    what += [count(len(work.objects), "whole object")] if work.objects else []
    lines.append([(f"the results of {' and '.join(what)} stand alone: they are merged with nothing", "")])
    lines.append(
        [("what is bad again counts against bad_records.max_fraction: raise it for such a run", "dim")]
    )
    return lines


def sort_out(spec: InputSpec, sources: Store, records: Sequence[BadRecord]) -> Work:
    """The records as objects to run on, those of one header together."""
    batches: dict[bytes, Batch] = {}
    objects: dict[str, None] = {}
    left_out: list[str] = []
    headers: dict[str, bytes] = {}
    for record in records:
        if record.phase == "reduce":
            left_out.append(f"the group of key {record.source}: its records are not known: mend the reducer")
            continue
        ours = parse_run_key(*_loc(record.source))
        if ours and ours[0].step:
            what = "a pair that the step before made: mend the mapper, and start a run over the input"
            left_out.append(f"{record.source}: {what}")
            continue
        if record.offset is None and not record.record:
            objects[record.source] = None
            continue
        if record.offset is None:
            what = f"the row {record.text:.80}, which may have several lines: mend the mapper, and start a run over it"
            left_out.append(f"{record.source}: {what}")
            continue
        body = base64.b64decode(record.record)
        if len(body) >= KEPT:
            what = f"only the first {human_bytes(KEPT)} of it were kept: mend its object"
            left_out.append(f"{record.source}, byte {record.offset}: {what}")
            continue
        if spec.format != "fixed" and not body.endswith(b"\n"):
            body += b"\n"
        header = b""
        if spec.header:
            header = headers.setdefault(record.source, _header(sources, record.source))
        batches.setdefault(header, Batch(header)).bodies.append(body)
    return Work(list(batches.values()), list(objects), left_out)


def _header(sources: Store, url: str) -> bytes:
    """The line that names the columns of an object. Raises UserError if it can no longer be read."""
    loc = _loc(url)
    try:
        line, newline, _ = sources.get(loc, 0, _HEADER).partition(b"\n")
    except NotFound as error:
        raise UserError(
            f"{url}: is gone, and with it the header of its records: put it back first"
        ) from error
    return line + (newline or b"\n")


def _loc(url: str) -> Loc:
    """The object of a URL, or of a plain path as the local engine names its inputs."""
    if not url.startswith("s3://"):
        return Loc("/", url.lstrip("/"))
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return Loc(bucket, key)


def _name(keys: RunKeys, number: int, suffix: str) -> str:
    more = f"-{number}" if number else ""
    return f"{REDRIVE}bad-records-of-{keys.run}{more}{suffix or '.txt'}"


def _on_this_machine(keys: RunKeys, plan: Plan, work: Work) -> Iterator[Line]:
    folder = Path(keys.work.bucket)
    inputs = list(work.objects)
    for number, batch in enumerate(work.batches):
        path = folder / _name(keys, number, plan.spec.input.suffix)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_packed(path.name, batch.body))
        inputs.append(str(path))
        yield [(f"{path}", ""), (f"  {count(len(batch.bodies), 'record')}", "dim")]
    yield [("run the job on them, into a folder of its own:", "")]
    yield [(f"  scripts/run.py {keys.job} {' '.join(inputs)} --output redriven/", "")]


def _on_aws(world: World, store: Store, keys: RunKeys, plan: Plan, work: Work) -> Iterator[Line]:
    place = parse_url(plan.spec.input.url)
    started: list[Loc] = []
    for number, batch in enumerate(work.batches):
        loc = place.child(_name(keys, number, plan.spec.input.suffix))
        store.put(loc, _packed(loc.key, batch.body))
        started.append(loc)
        yield [(loc.url, ""), (f"  {count(len(batch.bodies), 'record')}", "dim")]
    if plan.spec.trigger == "each":
        for number, url in enumerate(work.objects):
            loc = place.child(f"{REDRIVE}{keys.run}/{number}/{_loc(url).key.rpartition('/')[2]}")
            _copy(store, url, loc)
            started.append(loc)
            yield [(loc.url, ""), (f"  a copy of {url}", "dim")]
        yield [(f"started {count(len(started), 'run')}: scripts/status.py {keys.job} shows them", "")]
        return
    body = "".join(f"{url}\n" for url in (*(loc.url for loc in started), *work.objects)).encode()
    manifest = manifest_loc(place, body, world.clock.now())
    store.put(manifest, body)
    yield [(manifest.url, ""), (f"  starts one run over them: scripts/status.py {keys.job} shows it", "dim")]


def _copy(store: Store, url: str, to: Loc) -> None:
    try:
        with store.writer(to) as writer:
            for chunk in store.stream(_loc(url)):
                writer.write(chunk)
            writer.commit()
    except NotFound as error:
        raise UserError(f"{url}: is gone: upload it again, which starts a run") from error


def _packed(key: str, body: bytes) -> bytes:
    """`body` as the reader of an object with this name expects it."""
    extension = compression(key)
    if extension is None:
        return body
    if extension not in _PACKERS:
        raise CorruptData(f"{key}: cannot be packed as {extension}")
    return _PACKERS[extension](body)


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], status.real_world())))
