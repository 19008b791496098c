"""Parts in a format of the job's own: `output.container` names a class that writes pairs to a binary stream."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from ...core.errors import JobCodeError, SluiceError, explain
from ...core.tasks import Part
from .commit_part import ObjectPart


class ContainerRows:
    """From pairs to what the job's class writes of them; at the end `close` gives the rest. One serves one part."""

    def __init__(self, make: Callable[[Any], Any], name: str) -> None:
        self._make = make
        self._name = name
        self._sink = _Sink()
        self._container: Any = None

    def __call__(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        for key, value in zip(keys, values, strict=True):
            self._call("write", (key, value), f", at key {key!r:.200}")
        return self._sink.take()

    def close(self) -> bytes:
        self._call("close", (), ", at the end of a part")
        return self._sink.take()

    def _call(self, method: str, pair: tuple[Any, ...], where: str) -> None:
        try:
            if self._container is None:
                self._container = self._make(self._sink)
            getattr(self._container, method)(*pair)
        except SluiceError:
            raise
        except Exception as error:
            raise JobCodeError(f"output.container: {self._name}{where}: {explain(error)}") from error


class ContainerPart(ObjectPart):
    """A part that ends with what its container writes when it is closed."""

    def __init__(self, rows: ContainerRows, *place: Any) -> None:
        super().__init__(*place)
        self._rows = rows

    def publish(self, records: int) -> Part:
        self.write(self._rows.close())
        return super().publish(records)


class _Sink(io.RawIOBase):
    """Takes what is written, and tells how much that was. There is no going back."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is held back. A container of an attempt that failed may ask when all of it is gone already."""

    def write(self, data: Any) -> int:
        chunk = bytes(data)
        self._written.append(chunk)
        self._size += len(chunk)
        return len(chunk)

    def take(self) -> bytes:
        taken, self._written = b"".join(self._written), []
        return taken
