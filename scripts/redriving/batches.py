"""Bad records as objects to run on, and those that cannot be run again, with the reason."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.core.errors import InputChanged, NotFound, UserError
from chalicelib.core.keys import parse_run_key
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc, Store
from chalicelib.core.spec import InputSpec
from chalicelib.core.tasks import BadRecord
from chalicelib.mapreduce.guard.quarantine import KEPT
from chalicelib.mapreduce.input.rows import read_header
from scripts.console.terminal import human_bytes


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
    """What is to be run again, and what cannot be, with the reason for each."""

    batches: list[Batch]
    #: URLs of objects that are bad as a whole.
    objects: list[str]
    left_out: list[str]

    @property
    def records(self) -> int:
        return sum(len(batch.bodies) for batch in self.batches)


def sort_out(spec: InputSpec, sources: Store, records: Sequence[BadRecord]) -> Work:
    """The records as objects to run on. Those that were read with the same header go into one object."""
    batches: dict[bytes, Batch] = {}
    objects: dict[str, None] = {}
    left_out: list[str] = []
    headers: dict[str, bytes] = {}
    for record in records:
        if record.phase == "reduce":
            left_out.append(f"the group of key {record.source}: its records are not known: mend the reducer")
            continue
        ours = parse_run_key(*loc_of(record.source))
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
            if record.source not in headers:
                headers[record.source] = _header(spec, sources, record.source)
            header = headers[record.source]
        batches.setdefault(header, Batch(header)).bodies.append(body)
    return Work(list(batches.values()), list(objects), left_out)


def _header(spec: InputSpec, sources: Store, url: str) -> bytes:
    """The line that names the columns of an object. Raises UserError if it can no longer be read."""
    loc = loc_of(url)
    try:
        info = sources.head(loc)
        whole = Split(bucket=loc.bucket, key=loc.key, etag=info.etag, start=0, stop=info.size, size=info.size)
        line = read_header(spec, sources, whole).line
    except (NotFound, InputChanged) as error:
        raise UserError(
            f"{url}: is gone, and with it the header of its records: put it back first"
        ) from error
    return line if line.endswith(b"\n") else line + b"\n"


def loc_of(url: str) -> Loc:
    """The object of a URL, or of a plain path as the local engine names its inputs."""
    if not url.startswith("s3://"):
        return Loc("/", url.lstrip("/"))
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return Loc(bucket, key)
