"""What users' tests give to a job: lines, texts, objects with names, side files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.spec import InputSpec


@dataclass(frozen=True)
class Object:
    """An object of the input by its name: lines without their ends, or its whole text or bytes, packed if it is `.gz`.

    Mappers see the name as the end of `self.input.key` and `self.input.url`; its size and etag are those of its bytes.
    """

    name: str
    body: Iterable[str] | str | bytes


#: Lines without their ends, a whole object's text or bytes, or objects.
Records = Iterable[str] | str | bytes | Iterable[Object]


def inputs_of(
    records: Records | Mapping[str, Records], settings: dict[str, Any]
) -> dict[str, tuple[InputSpec, dict[str, bytes]]]:
    """(settings, bodies by name) of each input by tag; the tag of an only input may be empty."""
    if not isinstance(records, Mapping):
        return {"": (InputSpec(url="s3://memory/in/", **settings), _bodies(records))}
    unknown = settings.keys() - records.keys()
    if unknown:
        raise ConfigError(
            f"input: expected settings by tag, one of {', '.join(records)}, got {unknown.pop()!r}"
        )
    return {
        tag: (InputSpec(tag=tag, url=f"s3://memory/in-{tag}/", **settings.get(tag, {})), _bodies(some))
        for tag, some in records.items()
    }


def _bodies(records: Records) -> dict[str, bytes]:
    """The bytes of each object by its name; what has no name is called `records`."""
    given = records if isinstance(records, str | bytes) else list(records)
    if not isinstance(given, list) or not any(isinstance(one, Object) for one in given):
        return {"records": _body(given)}  # type: ignore[arg-type]
    found: dict[str, bytes] = {}
    for one in given:
        if not isinstance(one, Object):
            raise ConfigError(f"records: expected lines or objects, got Object(...) and {one!r:.100}")
        if one.name in found:
            raise ConfigError(f"records: two objects are called {one.name!r}: give each its own name")
        found[one.name] = _body(one.body)
    return found


def _body(records: Iterable[str] | str | bytes) -> bytes:
    if isinstance(records, bytes):
        return records
    if isinstance(records, str):
        return records.encode()
    return "".join(f"{line}\n" for line in records).encode()


def files_of(files: Mapping[str, str | bytes | Path], folder: Path) -> dict[str, Path]:
    found = {}
    folder.mkdir()
    for name, content in files.items():
        found[name] = content if isinstance(content, Path) else folder / name
        if not isinstance(content, Path):
            found[name].write_bytes(content.encode() if isinstance(content, str) else content)
    return found
