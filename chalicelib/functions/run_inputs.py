"""The objects that a run reads: the one that was dropped, or those that a marker, a manifest or a period stands for.

Each object counts once, however many lines or prefixes of a manifest name it; the first place is the one it is read at.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import overload

import msgspec

from ..core.errors import Forbidden, NotFound, UserError
from ..core.keys import MANIFEST, SUCCESS, is_hidden
from ..core.plan import chain_of
from ..core.ports import Loc, ObjectInfo, Runtime
from ..core.spec import MANIFEST_SUFFIX, JobSpec
from ..run.events import Created

#: The marker object that starts a run over all objects of its folder.
READY = "_READY"
#: Bytes that a manifest may have; a larger one is surely a mistake.
MAX_MANIFEST = 16 << 20
_MARK = "\ufeff".encode()
#: Names looked up at once, for each read that the store says is worth having under way: the answers are small. And at
#: most.
_LOOK_UPS, _MOST_LOOK_UPS = 4, 32
#: Seconds, and share of the coordinator's time, that are left for the plan once the objects are known.
_KEPT, _KEPT_SHARE = 60.0, 0.25

#: (bucket, object)
Found = tuple[str, ObjectInfo]
#: Objects that are packed together.
_BLOCK = 4096
_decode = msgspec.msgpack.Decoder(list[Found]).decode


class Superseded(Exception):
    """The object was overwritten after the event: the event of the later writing starts the run over it."""


def starts(loc: Loc, spec: JobSpec) -> bool:
    """Whether an object starts a run. Folders never do; hidden ones (`_x`, `.x/y`) only as the job's trigger."""
    base = loc.key.rpartition("/")[2]
    if spec.period:
        return base.endswith(MANIFEST_SUFFIX) or _is_period(loc, spec)
    if spec.trigger != "each":
        marker = base == READY or (base == SUCCESS and spec.trigger == "success")
        return marker or (base.endswith(MANIFEST_SUFFIX) and base != MANIFEST)
    given = spec.input_of(loc)
    if not base or given is None or not base.endswith(given.suffix):
        return False
    return not is_hidden(loc.key.removeprefix(given.loc.key))


def _is_period(loc: Loc, spec: JobSpec) -> bool:
    from ..run.periods.keys import is_period  # few jobs have periods

    return is_period(spec.work_loc, loc)


def is_read(prefix: Loc, key: str) -> bool:
    """Whether the object `key` counts where all under `prefix` are named: no folder, nor hidden, nor a manifest."""
    base = key.rpartition("/")[2]
    return bool(base) and not is_hidden(key.removeprefix(prefix.key)) and not base.endswith(MANIFEST_SUFFIX)


def objects(runtime: Runtime, spec: JobSpec, item: Created) -> Sequence[Found]:
    """The objects that a run reads, each once, in order.

    Raises UserError for what cannot be read, and when the coordinator's time would end before the plan is written;
    Superseded where the object is no longer the one that the event tells of.
    """
    search = _Search(runtime, item.loc)
    if spec.trigger == "each":
        return [_dropped(runtime, item)]
    if spec.period and _is_period(item.loc, spec):
        from ..run.periods import given  # few jobs have periods

        return FoundObjects(given.objects_of(runtime.store, item))
    if item.loc.key.rpartition("/")[2] not in (READY, SUCCESS):
        return FoundObjects(_once(search.named_in_manifest(spec)))
    below = search.below_marker(spec)
    return FoundObjects(_once(below) if spec.more_inputs else below)


def _once(found: Iterable[Found]) -> Iterator[Found]:
    """Each object where it is found first. One listing has none twice, and needs no such memory."""
    seen: set[tuple[str, str]] = set()
    for bucket, info in found:
        if (bucket, info.key) not in seen:
            seen.add((bucket, info.key))
            yield bucket, info


def _dropped(runtime: Runtime, item: Created) -> Found:
    info = _head(runtime, item.loc, "it was deleted before the run began: upload it again")
    if item.etag and info.etag != item.etag:
        raise Superseded(
            f"{item.loc.url} was overwritten since (its etag was {item.etag}, now it is {info.etag}): the event of"
            " the later writing starts a run over it"
        )
    return item.loc.bucket, info


def chain(runtime: Runtime, item: Created, found: Iterable[Found]) -> int:
    """How many runs, one started by the results of the other, led to this event, by the marks of what is known.

    Objects that were looked up by name tell, and `_SUCCESS`, which costs a request; objects that were listed do not.
    """
    marks = [info.mark for _, info in found]
    if item.loc.key.rpartition("/")[2] == SUCCESS:
        with suppress(NotFound):
            marks.append(runtime.store.head(item.loc).mark)
    return max(map(chain_of, marks), default=0)


class _Search:
    """Looks up what a marker or a manifest stands for, as long as there is time."""

    def __init__(self, runtime: Runtime, source: Loc) -> None:
        self._runtime = runtime
        self._source = source
        self._time = runtime.remaining()
        self._kept = min(_KEPT, self._time * _KEPT_SHARE)

    def below_marker(self, spec: JobSpec) -> Iterator[Found]:
        """All objects of the marker's folder and below."""
        for place in _folders(spec, self._folder):
            yield from self._input_objects(place)

    def named_in_manifest(self, spec: JobSpec) -> Iterator[Found]:
        """The objects that the lines of the manifest name, in their order.

        Whoever may write a manifest is not thereby one who may read all that the functions may: a name outside of
        the job's input (or of the manifest's own folder, where `manifest.scope` says so) is refused before anything
        is looked up.
        """
        lines: dict[Loc, int] = {}
        allowed, called = self._nameable(spec)
        for number, place in _manifest_lines(self._runtime, self._source):
            if not _is_below(allowed, place):
                listed = ", ".join(there.url for there in allowed)
                raise UserError(
                    f"{self._source.url}, line {number}: {place.url} is outside of {called} ({listed}): a"
                    " manifest may name what lies there, and nothing else"
                )
            lines.setdefault(place, number)
        for done, found in enumerate(self._looked_up(lines), start=1):
            yield from found
            if done < len(lines) and self._out_of_time:
                raise self._too_much(
                    f"{done:,} of its {len(lines):,} names were looked up",
                    "name folders (prefixes that end in /), or divide it into several manifests",
                )

    def _nameable(self, spec: JobSpec) -> tuple[list[Loc], str]:
        """The places below which a manifest may name objects, and what they are called."""
        if spec.manifest.scope == "input":
            return [given.loc for given in spec.inputs], "the job's input"
        return _folders(spec, self._folder), "its own folder, the limit that manifest.scope sets"

    @property
    def _folder(self) -> Loc:
        """The folder that the marker or manifest lies in."""
        folder = self._source.key.rpartition("/")[0]
        return Loc(self._source.bucket, f"{folder}/" if folder else "")

    @property
    def _out_of_time(self) -> bool:
        """Whether the time that is left is what the plan needs."""
        return self._runtime.remaining() <= self._kept

    def _too_much(self, fitted: str, remedy: str) -> UserError:
        return UserError(
            f"{self._source.url}: names more than the coordinator has time for: {fitted} in the"
            f" {self._time - self._kept:.0f} s there are for that: {remedy}, or raise timeout.coordinator"
        )

    def _looked_up(self, lines: dict[Loc, int]) -> Iterator[list[Found]]:
        """What each line names, in order; as many look-ups ahead of the caller as the store is worth."""
        breadth = min(_LOOK_UPS * self._runtime.store.parallel_reads, _MOST_LOOK_UPS)
        if not breadth:
            yield from (self._named(place, number) for place, number in lines.items())
            return
        rest = iter(lines.items())
        ahead: deque[Future[list[Found]]] = deque()
        with ThreadPoolExecutor(breadth, thread_name_prefix="look-up") as pool:
            try:
                ahead.extend(pool.submit(self._named, *line) for line in islice(rest, 2 * breadth))
                while ahead:
                    yield ahead.popleft().result()
                    ahead.extend(pool.submit(self._named, *line) for line in islice(rest, 1))
            finally:
                for future in ahead:
                    future.cancel()

    def _named(self, place: Loc, number: int) -> list[Found]:
        """The object that one line of a manifest names, or all under the prefix it names."""
        where = f"{self._source.url}, line {number}"
        try:
            if place.key and not place.key.endswith("/"):
                return [
                    (place.bucket, _head(self._runtime, place, f"{where} names it, but it does not exist"))
                ]
            found = list(self._input_objects(place))
        except (NotFound, Forbidden) as error:
            # A bucket other than the job's own, which no retry will make readable.
            raise UserError(f"{where}: {place.url} cannot be read: {error}") from error
        if not found:
            raise UserError(f"{where}: nothing under {place.url}: expected at least one object")
        return found

    def _input_objects(self, prefix: Loc) -> Iterator[Found]:
        """All objects under a prefix, except folders, hidden objects and manifests."""
        for count, info in enumerate(self._runtime.store.list(prefix)):
            if self._out_of_time:
                raise self._too_much(
                    f"{count:,} objects under {prefix.url} were listed", "divide it into smaller folders"
                )
            if is_read(prefix, info.key):
                yield prefix.bucket, info


def _is_below(allowed: Iterable[Loc], place: Loc) -> bool:
    return any(place.bucket == there.bucket and place.key.startswith(there.key) for there in allowed)


def _folders(spec: JobSpec, folder: Loc) -> list[Loc]:
    """The folder of a marker or manifest; of a job with several inputs, the folder of that name in each of them."""
    given = spec.input_of(folder)
    if given is None or not spec.more_inputs:
        return [folder]
    return [other.loc.child(folder.key.removeprefix(given.loc.key)) for other in spec.inputs]


def _manifest_lines(runtime: Runtime, manifest: Loc) -> Iterator[tuple[int, Loc]]:
    """(line, place) for each line of a manifest: an `s3://` URL, or a key or prefix of the manifest's own bucket."""
    body = runtime.store.get(manifest, 0, MAX_MANIFEST + 1)
    if len(body) > MAX_MANIFEST:
        raise UserError(f"{manifest.url}: a manifest of over {MAX_MANIFEST} bytes: name prefixes instead")
    try:
        lines = body.removeprefix(_MARK).decode().splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{manifest.url}: byte {error.start}: a manifest is UTF-8 text, one key a line"
        ) from error
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if name.startswith("s3://"):
            bucket, _, key = name.removeprefix("s3://").partition("/")
            yield number, Loc(bucket, key)
        else:
            yield number, Loc(manifest.bucket, name)


def _head(runtime: Runtime, loc: Loc, problem: str) -> ObjectInfo:
    try:
        return runtime.store.head(loc)
    except NotFound as error:
        raise UserError(f"{loc.url}: {problem}") from error


class FoundObjects(Sequence[Found]):
    """The objects of a run's input, packed: a million of them take 60 MB, not 400.

    They can be gone through as often as need be, a few thousand of them unpacked at a time.
    """

    def __init__(self, objects: Iterable[Found]) -> None:
        self._count = 0
        self._blocks: list[bytes] = []
        rest = iter(objects)
        while some := list(islice(rest, _BLOCK)):
            self._count += len(some)
            self._blocks.append(zlib.compress(msgspec.msgpack.encode(some), 1))

    def __iter__(self) -> Iterator[Found]:
        for block in range(len(self._blocks)):
            yield from self._block(block)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Found: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Found]: ...
    def __getitem__(self, index: int | slice) -> Found | Sequence[Found]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self._count))]
        number = range(self._count)[index]
        return self._block(number // _BLOCK)[number % _BLOCK]

    def _block(self, number: int) -> list[Found]:
        return _decode(zlib.decompress(self._blocks[number]))
