"""Bad records: set aside with all that is known of them, so that one line does not cost a run of a terabyte.

What a task set aside is one object of JSON lines, named by the task's marker like its run file: an attempt
that loses leaves none behind, and every bad record is listed once.
"""

from __future__ import annotations

import base64
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


class Quarantine:
    """What one attempt sets aside. Raises the record's own error when the policy is `fail`."""

    def __init__(self, spec: BadRecordsSpec, phase: Phase) -> None:
        self._spec = spec
        self._phase = phase
        self.records: list[BadRecord] = []
        self._tracebacks = Tracebacks()

    @property
    def active(self) -> bool:
        return self._spec.policy == "quarantine"

    @property
    def limit(self) -> int:
        """How many records may be set aside."""
        return self._spec.max

    def add(
        self, error: Exception, source: str, offset: int | None, record: Any, line: int | None = None
    ) -> None:
        """Set a record aside. Raises UserError when the attempt alone passes the limit of the whole run."""
        body = record if isinstance(record, bytes) else record.encode("utf-8", "backslashreplace")
        self.records.append(
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
        if len(self.records) > self._spec.max:
            place = source if offset is None else f"{source}, byte {offset}"
            raise UserError(
                f"more than {self._spec.max} bad records (bad_records.max) in one task; the last at {place}: {error}"
            )

    def extend(self, earlier: tuple[BadRecord, ...]) -> None:
        """Take over what earlier pieces of this attempt set aside."""
        self.records[:0] = earlier

    def write(self, store: Store, keys: RunKeys, task: int, attempt: int, token: str) -> str:
        """Store what was set aside; the key, or nothing if there was nothing."""
        if not self.records:
            return ""
        loc = keys.quarantine(self._phase, task, attempt, token)
        store.put(loc, msgspec.json.Encoder().encode_lines(self.records))
        return loc.key


def over_limit(spec: BadRecordsSpec, bad: int, records: int) -> str:
    """Why a phase with so many bad records of so many must fail; empty if it need not."""
    if bad > spec.max:
        return f"{bad} bad records, more than bad_records.max ({spec.max})"
    if bad > spec.max_fraction * records:
        share = f"{bad} of {records} records are bad"
        return f"{share}, more than bad_records.max_fraction ({spec.max_fraction:g})"
    return ""
