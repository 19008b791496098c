"""How much there is to read: a size that is given, files here, or objects on S3."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.config.units import parse
from chalicelib.core.errors import UserError
from chalicelib.core.keys import is_hidden
from chalicelib.core.ports import Loc, ObjectInfo, Store
from chalicelib.core.spec import JobSpec
from chalicelib.local.inputs import find_inputs
from chalicelib.mapreduce.input.compression import compression

#: Bytes of an object where only the size of all of them is given, and the object's default.
_ONE = 1 << 30


class Found:
    """Objects of an input, added up."""

    def __init__(self, infos: Sequence[ObjectInfo]) -> None:
        self.bytes = sum(info.size for info in infos)
        self.objects = len(infos)
        #: Most of its bytes are in objects that cannot be cut.
        self.compressed = 2 * sum(info.size for info in infos if compression(info.key)) > self.bytes


def given(size: str, objects: int | None) -> tuple[int, int]:
    """(bytes, objects) of `--size` and `--objects`; objects of 1 GiB unless said. Raises UserError."""
    found = parse(size, "bytes")
    if not found:
        raise UserError(f"--size {size}: expected a size such as 500GB, 1.5TB or 64MiB")
    return found, objects or -(-found // _ONE)


def look(urls: Sequence[str], open_s3: Callable[[], Store]) -> Found:
    """What is there, on S3 or here. Raises UserError for a place without objects."""
    infos: list[ObjectInfo] = []
    for url in urls:
        found = _on_s3(url, open_s3) if url.startswith("s3://") else [info for _, info in find_inputs([url])]
        if not found:
            raise UserError(
                f"--input {url}: no objects there: --size and --objects plan for what is still to come"
            )
        infos += found
    return Found(infos)


def _on_s3(url: str, open_s3: Callable[[], Store]) -> list[ObjectInfo]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    place = Loc(bucket, prefix)
    folder = prefix[: prefix.rfind("/") + 1]
    return [
        info for info in open_s3().list(place) if info.size and not is_hidden(info.key.removeprefix(folder))
    ]


def whole(spec: JobSpec, compressed: bool) -> bool:
    """Whether objects of the job's input must not be cut."""
    return any(one.whole for one in spec.inputs) or compressed
