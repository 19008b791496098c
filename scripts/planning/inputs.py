"""How much there is to read: a size that is given, files here, or objects on S3."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.config.units import parse
from chalicelib.core.errors import UserError
from chalicelib.core.keys import is_hidden
from chalicelib.core.ports import Loc, ObjectInfo, Store
from chalicelib.core.spec import TAG, InputSpec, JobSpec
from chalicelib.local.inputs import find_inputs
from chalicelib.mapreduce.input.compression import compression
from chalicelib.run.estimate.figures import PACES
from chalicelib.run.estimate.likeness import Likeness
from chalicelib.run.estimate.work import InputWork, Work, joined

#: Bytes of an object where only the size of all of them is given, and the object's default.
_ONE = 1 << 30


@dataclass(frozen=True)
class Found:
    """Objects of an input, added up. `compressed`: most of its bytes are in objects that cannot be cut."""

    bytes: int
    objects: int
    compressed: bool = False


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was said of the input, each value as `VALUE` or, of one of several inputs, as `TAG=VALUE`.

    Either sizes, with or without numbers of objects, or places that are looked at; and kinds of work.
    """

    size: Sequence[str] = ()
    objects: Sequence[str] = ()
    places: Sequence[str] = ()
    like: Sequence[str] = ()


def work_of(
    spec: JobSpec,
    like: Likeness,
    asked: Asked,
    *,
    uncut: Collection[str],
    concurrency: int,
    open_s3: Callable[[], Store],
) -> Work:
    """The work of a job over what was said. Raises UserError for what is no size, number, kind or tag."""
    found = _looked_at(spec, asked.places, open_s3) if asked.places else _given(spec, asked)
    kinds = _kinds(spec, asked.like, like.kind)
    if not spec.more_inputs:
        one = found[spec.input.tag]
        return Work(
            bytes=one.bytes,
            objects=one.objects,
            whole=_whole(spec.input, one, uncut),
            kind=kinds[spec.input.tag],
            way=like.way,
            map_only=like.map_only,
            concurrency=concurrency,
        )
    several = [
        InputWork(
            tag=given.tag,
            bytes=found[given.tag].bytes,
            objects=found[given.tag].objects,
            whole=_whole(given, found[given.tag], uncut),
            pace=PACES[kinds[given.tag]][like.way],
        )
        for given in spec.inputs
    ]
    return joined(several, way=like.way, kind=like.kind, map_only=like.map_only, concurrency=concurrency)


def _kinds(spec: JobSpec, said: Sequence[str], usual: str) -> dict[str, str]:
    by = _by_tag(said, spec, "--like")
    kinds = {given.tag: (by.get(given.tag) or by.get("") or [usual])[-1] for given in spec.inputs}
    for kind in kinds.values():
        if kind not in PACES:
            raise UserError(f"--like {kind}: expected one of {', '.join(sorted(PACES))}")
    return kinds


def _given(spec: JobSpec, asked: Asked) -> dict[str, Found]:
    """Sizes; one that is said without a tag is shared by all inputs in equal parts."""
    sizes, numbers = _by_tag(asked.size, spec, "--size"), _by_tag(asked.objects, spec, "--objects")
    shares = 1
    if "" in sizes:
        shares = len(spec.inputs)
        sizes = {given.tag: sizes[""] for given in spec.inputs}
    sizes = _of_each(sizes, spec, "--size")
    found = {}
    for given in spec.inputs:
        total = sum(map(_size, sizes[given.tag])) // shares
        number = [_number(one) for one in numbers.get(given.tag) or numbers.get("") or []]
        found[given.tag] = Found(total, sum(number) or -(-total // _ONE))
    return found


def _size(text: str) -> int:
    found = parse(text, "bytes")
    if not found:
        raise UserError(f"--size {text}: expected a size such as 500GB, 1.5TB or 64MiB")
    return found


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--objects {text}: expected a number from 1 up")
    return int(text)


def _looked_at(spec: JobSpec, places: Sequence[str], open_s3: Callable[[], Store]) -> dict[str, Found]:
    by = _of_each(_by_tag(places, spec, "--input"), spec, "--input")
    return {tag: _look(urls, open_s3) for tag, urls in by.items()}


def _look(urls: Sequence[str], open_s3: Callable[[], Store]) -> Found:
    """What is there, on S3 or here. Raises UserError for a place without objects."""
    infos: list[ObjectInfo] = []
    for url in urls:
        found = _on_s3(url, open_s3) if url.startswith("s3://") else [info for _, info in find_inputs([url])]
        if not found:
            raise UserError(
                f"--input {url}: no objects there: --size and --objects plan for what is still to come"
            )
        infos += found
    total = sum(info.size for info in infos)
    packed = sum(info.size for info in infos if compression(info.key))
    return Found(total, len(infos), 2 * packed > total)


def _on_s3(url: str, open_s3: Callable[[], Store]) -> list[ObjectInfo]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    place = Loc(bucket, prefix)
    folder = prefix[: prefix.rfind("/") + 1]
    return [
        info for info in open_s3().list(place) if info.size and not is_hidden(info.key.removeprefix(folder))
    ]


def _by_tag(values: Sequence[str], spec: JobSpec, option: str) -> dict[str, list[str]]:
    """What was given for each of the job's inputs, by tag: of several each value is `TAG=VALUE`.

    Under "" are values without a tag. Raises UserError for a tag that is none.
    """
    found: dict[str, list[str]] = {}
    for value in values:
        tag, equals, rest = value.partition("=")
        named = bool(equals and rest and re.fullmatch(TAG, tag))
        if named and tag not in (given.tag for given in spec.inputs):
            raise UserError(f"{option} {value}: the job has no input {tag!r}: expected {_expected(spec)}")
        found.setdefault(tag if named else "", []).append(rest if named else value)
    return found


def _of_each(values: Mapping[str, list[str]], spec: JobSpec, option: str) -> dict[str, list[str]]:
    """The values of each input. Raises UserError where there are several and not each of them has some."""
    found = {given.tag: values.get(given.tag, []) for given in spec.inputs}
    if spec.more_inputs and (values.get("") or not all(found.values())):
        raise UserError(f"{option}: the job has {len(found)} inputs: expected {_expected(spec)}")
    return found


def _expected(spec: JobSpec) -> str:
    tags = [given.tag for given in spec.inputs if given.tag]
    return " ".join(f"{tag}=..." for tag in tags) or "no tag, since it has one input"


def _whole(given: InputSpec, found: Found, uncut: Collection[str]) -> bool:
    """Whether objects of an input must not be cut. `uncut`: the tags of inputs whose reader takes whole ones."""
    return given.whole or found.compressed or given.tag in uncut
