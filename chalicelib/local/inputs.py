"""Files, folders and globs of a command line to the objects of a run."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..core.errors import UserError
from ..core.ports import Loc, ObjectInfo
from ..core.spec import InputSpec
from ..stores.folder import FolderStore


def tagged_inputs(
    names: Sequence[str], inputs: Sequence[InputSpec]
) -> tuple[list[ObjectInfo], dict[str, str]]:
    """The files that `names` stand for, and by key which of the job's inputs each is of.

    Where there are several inputs, every name is `TAG=NAME`. Files come input by input, as the job has them.
    Raises UserError for a name without a tag of these, and for an input without files.
    """
    if len(inputs) == 1:
        return find_inputs(names, inputs[0].suffix), {}
    by_tag: dict[str, list[str]] = {given.tag: [] for given in inputs}
    wanted = " or ".join(f"{tag}=FILES" for tag in by_tag)
    for name in names:
        tag, equals, rest = name.partition("=")
        if not equals or tag not in by_tag or not rest:
            raise UserError(f"{name}: of which input? Expected {wanted}")
        by_tag[tag].append(rest)
    found: list[ObjectInfo] = []
    tags: dict[str, str] = {}
    for given in inputs:
        if not by_tag[given.tag]:
            raise UserError(f"no files for the input {given.tag}: expected {wanted}")
        for info in find_inputs(by_tag[given.tag], given.suffix):
            if info.key in tags:
                raise UserError(
                    f"/{info.key}: named for {tags[info.key]} and for {given.tag}: each file is of one input"
                )
            tags[info.key] = given.tag
            found.append(info)
    return found, tags


def find_inputs(names: Sequence[str], suffix: str = "") -> list[ObjectInfo]:
    """The files that `names` stand for, in the order given; those of a folder by path.

    Keys are paths below `/`. Hidden files (`_x`, `.x`) of folders are passed over, and what does not
    end in `suffix`. Raises UserError for a name that stands for nothing, or a file named twice.
    """
    store = FolderStore([Path("/")])
    seen: dict[str, str] = {}
    found: list[ObjectInfo] = []
    for name in names:
        for path in _expand(name, suffix):
            key = os.path.abspath(path).lstrip("/")
            if key in seen:
                raise UserError(
                    f"{path}: named twice (by {seen[key]!r} and {name!r}): each file is read once"
                )
            seen[key] = name
            found.append(store.head(Loc("/", key)))
    return found


def refuse_inside(names: Sequence[str], folder: Path, becomes: str, *, tagged: bool) -> None:
    """Raise UserError if `folder` lies in one of the folders that `names` stand for; `becomes` is its fate there."""
    for given in names:
        name = given.partition("=")[2] if tagged else given
        for place in [name] if os.path.exists(name) else glob.glob(name, recursive=True):
            if os.path.isdir(place) and folder.resolve().is_relative_to(Path(place).resolve()):
                raise UserError(f"{folder}: lies in the input folder {place}; {becomes}: move it out")


def _expand(name: str, suffix: str) -> Iterator[str]:
    path = Path(name)
    if path.is_dir():
        files = sorted(_visible(path, suffix), key=os.fsencode)
        if not files:
            raise UserError(f"{name}: a folder without files{f' that end in {suffix}' if suffix else ''}")
        yield from files
    elif path.is_file():
        yield name
    elif path.exists():
        raise UserError(f"{name}: expected a file or a folder, this is neither")
    else:
        matches = sorted(glob.glob(name, recursive=True), key=os.fsencode)
        if not matches:
            raise UserError(f"{name}: no such file or folder, and as a pattern it matches nothing")
        for match in matches:
            yield from _expand(match, suffix)


def _visible(folder: Path, suffix: str) -> Iterable[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
        for name in files:
            if not name.startswith(("_", ".")) and name.endswith(suffix):
                yield os.path.join(parent, name)
