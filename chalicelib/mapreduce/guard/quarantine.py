"""Bad records: set aside with all that is known of them, so that one line does not cost a run of a terabyte.

What a task set aside is one object of JSON lines, named by the task's marker like its run file: an attempt
that loses leaves none behind, and every bad record is listed once. Until then its lines wait in compressed blocks: they
are much alike, so that hundreds of thousands of them take a few dozen MiB.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from ...core.errors import InputError, UserError
from ...core.keys import Phase, RunKeys
from ...core.ports import Store
from ...core.spec import BadRecordsSpec
from ...core.tasks import BadRecord
from .tracebacks import Tracebacks

#: Bytes of a record that are kept; enough to run it again, unless it is a whole file.
KEPT = 1 << 20
#: Bytes of lines after which they are compressed.
_BLOCK = 1 << 18


class _Lines:
    """A list of bad records as JSON lines. Holds one block as it is, and all others compressed."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._last = bytearray()
        self._encode_into = msgspec.json.Encoder().encode_into
        self.count = 0

    def append(self, record: BadRecord) -> None:
        self._encode_into(record, self._last, -1)
        self._last += b"\n"
        self.count += 1
        if len(self._last) >= _BLOCK:
            self._blocks.append(_packed(self._last))
            self._last.clear()

    def blocks(self) -> Iterator[bytes]:
        """The lines, some at a time."""
        yield from map(_unpacked, self._blocks)
        yield bytes(self._last)


def _packed(lines: bytearray) -> bytes:
    from ..shuffle.zstd import ZstdCompressor  # late: functions that set nothing aside start without it

    return ZstdCompressor(level=1).compress(lines, ZstdCompressor.FLUSH_FRAME)


def _unpacked(block: bytes) -> bytes:
    from ..shuffle.zstd import ZstdDecompressor

    return ZstdDecompressor().decompress(block)


class Quarantine:
    """What one attempt sets aside. Raises the record's own error when the policy is `fail`."""

    def __init__(self, spec: BadRecordsSpec, phase: Phase) -> None:
        self._spec = spec
        self._phase = phase
        self._lines = _Lines()
        self._tracebacks = Tracebacks()

    @property
    def active(self) -> bool:
        return self._spec.policy == "quarantine"

    @property
    def limit(self) -> int:
        """How many records may be set aside."""
        return self._spec.max

    @property
    def count(self) -> int:
        """How many records were set aside."""
        return self._lines.count

    @property
    def records(self) -> list[BadRecord]:
        """What was set aside; all of it in memory."""
        decode = msgspec.json.Decoder(BadRecord).decode_lines
        return [record for block in self._lines.blocks() for record in decode(block)]

    def add(
        self, error: Exception, source: str, offset: int | None, record: Any, line: int | None = None
    ) -> None:
        """Set a record aside. Raises UserError when the attempt alone passes the limit of the whole run."""
        body = record if isinstance(record, bytes) else record.encode("utf-8", "backslashreplace")
        self._lines.append(
            BadRecord(
                phase=self._phase,
                source=source,
                offset=offset,
                line=line,
                error=f"{type(error).__name__}: {error}",
                traceback="" if isinstance(error, InputError) else self._tracebacks.of(error),
                text=body[:500].decode(errors="replace"),
                record=base64.b64encode(body[:KEPT]).decode(),
            )
        )
        if self.count > self._spec.max:
            place = source if offset is None else f"{source}, byte {offset}"
            raise UserError(
                f"more than {self._spec.max} bad records (bad_records.max) in one task; the last at {place}: {error}"
            )

    def extend(self, earlier: tuple[BadRecord, ...]) -> None:
        """Take over what earlier pieces of this attempt set aside, before it sets aside any itself."""
        for record in earlier:
            self._lines.append(record)

    def write(self, store: Store, keys: RunKeys, task: int, attempt: int, token: str) -> str:
        """Store what was set aside; the key, or nothing if there was nothing."""
        if not self.count:
            return ""
        loc = keys.quarantine(self._phase, task, attempt, token)
        with store.writer(loc) as sink:
            for block in self._lines.blocks():
                sink.write(block)
            sink.commit()
        return loc.key


def over_limit(spec: BadRecordsSpec, bad: int, records: int) -> str:
    """Why a phase with so many bad records of so many must fail; empty if it need not."""
    if bad > spec.max:
        return f"{bad} bad records, more than bad_records.max ({spec.max})"
    if bad > spec.max_fraction * records:
        share = f"{bad} of {records} records are bad"
        return f"{share}, more than bad_records.max_fraction ({spec.max_fraction:g})"
    return ""
