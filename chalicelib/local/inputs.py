"""Files, folders, globs and `s3://` URLs of a command line to the objects of a run."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from ..core.errors import UserError
from ..core.keys import is_hidden
from ..core.ports import Loc, ObjectInfo, Store
from ..core.spec import InputSpec
from ..stores.folder import FolderStore
from .remote.objects import SCHEME, objects_at

#: (bucket, object); of a file of this machine the bucket is `/`.
Found = tuple[str, ObjectInfo]


class Below(Struct):
    """What there is below a folder, by name; names have `/` between their parts and are sorted by their bytes."""

    #: Files, also hidden ones.
    files: list[str] = field(default_factory=list)
    #: Folders that were not looked into, with the reason: hidden ones, and links.
    left_out: dict[str, str] = field(default_factory=dict)
    #: Folders that cannot be looked into.
    unreadable: list[str] = field(default_factory=list)


def look_below(folder: str | Path) -> Below:
    """All files below a folder. Links to folders are not followed: what they lead to would often be read twice."""
    found = Below()

    def failed(error: OSError) -> None:
        found.unreadable.append(f"{error.filename}: cannot be read: {error.strerror}")

    for parent, folders, files in os.walk(folder, onerror=failed):
        below = os.path.relpath(parent, folder)
        prefix = "" if below == os.curdir else f"{below}/"
        for name in folders:
            if is_hidden(f"{name}/-"):
                found.left_out[f"{prefix}{name}"] = "a hidden folder"
            elif os.path.islink(os.path.join(parent, name)):
                found.left_out[f"{prefix}{name}"] = "a link to a folder"
        folders[:] = [name for name in folders if f"{prefix}{name}" not in found.left_out]
        found.files += [prefix + name for name in files]
    found.files.sort(key=os.fsencode)
    return found


def tagged_inputs(
    names: Sequence[str],
    inputs: Sequence[InputSpec],
    left_out: list[str] | None = None,
    open_s3: Callable[[], Store] | None = None,
) -> tuple[list[Found], dict[Loc, str]]:
    """The objects that `names` stand for, and which of the job's inputs each is of.

    Where there are several inputs, every name is `TAG=NAME`. Objects come input by input, as the job has them.
    Raises UserError for a name without a tag of these, and for an input without files. The rest as of `find_inputs`.
    """
    if len(inputs) == 1:
        return find_inputs(names, inputs[0].suffix, left_out, open_s3), {}
    by_tag: dict[str, list[str]] = {given.tag: [] for given in inputs}
    wanted = " or ".join(f"{tag}=FILES" for tag in by_tag)
    for name in names:
        tag, equals, rest = name.partition("=")
        if not equals or tag not in by_tag or not rest:
            raise UserError(f"{name}: of which input? Expected {wanted}")
        by_tag[tag].append(rest)
    found: list[Found] = []
    tags: dict[Loc, str] = {}
    for given in inputs:
        if not by_tag[given.tag]:
            raise UserError(f"no files for the input {given.tag}: expected {wanted}")
        for bucket, info in find_inputs(by_tag[given.tag], given.suffix, left_out, open_s3):
            loc = Loc(bucket, info.key)
            if loc in tags:
                raise UserError(
                    f"{loc.url}: named for {tags[loc]} and for {given.tag}: each file is of one input"
                )
            tags[loc] = given.tag
            found.append((bucket, info))
    return found, tags


def find_inputs(
    names: Sequence[str],
    suffix: str = "",
    left_out: list[str] | None = None,
    open_s3: Callable[[], Store] | None = None,
) -> list[Found]:
    """The objects that `names` stand for, in the order given; those of a folder by path, those of a prefix by key.

    Keys of files are paths below `/`. Of folders, prefixes and patterns hidden files (`is_hidden`) are passed over, and
    what does not end in `suffix`. Links to folders are added to `left_out`, as what a person should hear of. Names
    that begin with `s3://` are looked up in the store of `open_s3`, if it is given. Raises UserError for a name that
    stands for nothing, a file named twice, and, naming each, what cannot be read.
    """
    store = FolderStore([Path("/")])
    seen: dict[Loc, tuple[str, ObjectInfo | None]] = {}
    search = _Search(suffix, [], left_out if left_out is not None else [])
    for name in names:
        given: Iterator[tuple[Loc, ObjectInfo | None]]
        if open_s3 and name.startswith(SCHEME):
            given = ((Loc(bucket, info.key), info) for bucket, info in objects_at(name, suffix, open_s3()))
        else:
            given = ((Loc("/", os.path.abspath(path).lstrip("/")), None) for path in search.expand(name))
        for loc, info in given:
            if loc in seen:
                raise UserError(
                    f"{loc.url}: named twice (by {seen[loc][0]!r} and {name!r}): each file is read once"
                )
            seen[loc] = name, info
    if search.problems:
        raise UserError("\n".join(["some of the input cannot be read:", *search.problems]))
    return [(loc.bucket, info or store.head(loc)) for loc, (_, info) in seen.items()]


def refuse_inside(names: Sequence[str], folder: Path, becomes: str, *, tagged: bool) -> None:
    """Raise UserError if `folder` lies in one of the folders that `names` stand for; `becomes` is its fate there."""
    for given in names:
        name = given.partition("=")[2] if tagged else given
        for place in [name] if os.path.exists(name) else glob.glob(name, recursive=True):
            if os.path.isdir(place) and folder.resolve().is_relative_to(Path(place).resolve()):
                raise UserError(f"{folder}: lies in the input folder {place}; {becomes}: move it out")


class _Search(Struct):
    """From names to paths."""

    suffix: str
    #: What cannot be read, and why.
    problems: list[str]
    left_out: list[str]

    def expand(self, name: str) -> Iterator[str]:
        path = Path(name)
        if "://" in name:
            raise UserError(f"{name}: expected a file or folder of this machine")
        if path.is_dir():
            yield from self._folder(name)
        elif path.is_file():
            if not os.access(name, os.R_OK):
                self.problems.append(f"{name}: cannot be read: permission denied")
            yield name
        elif path.exists():
            raise UserError(f"{name}: expected a file or a folder, this is neither")
        else:
            yield from self._pattern(name)

    def _folder(self, name: str) -> Iterator[str]:
        found = look_below(name)
        self.problems += found.unreadable
        self.left_out += [f"{name}/{link}: {why}" for link, why in found.left_out.items() if "link" in why]
        files = [file for file in found.files if not is_hidden(file) and file.endswith(self.suffix)]
        if not files and not found.unreadable:
            ending = f" that end in {self.suffix}" if self.suffix else ""
            raise UserError(f"{name}: a folder without files{ending}")
        for file in files:
            path = os.path.join(name, file)
            if not os.path.isfile(path):
                self.problems.append(f"{path}: expected a file, this is a broken link or a special file")
            elif not os.access(path, os.R_OK):
                self.problems.append(f"{path}: cannot be read: permission denied")
            yield path

    def _pattern(self, name: str) -> Iterator[str]:
        self.problems += _closed_to(name)
        matches = sorted(glob.glob(name, recursive=True), key=os.fsencode)
        matches = [match for match in matches if not _hidden_from(name, match)]
        if not matches and not self.problems:
            raise UserError(f"{name}: no such file or folder, and as a pattern it matches nothing")
        for match in matches:
            yield from self.expand(match)


def _hidden_from(pattern: str, match: str) -> bool:
    """Whether a pattern found something hidden that no part of the pattern asks for by its first letter."""
    asked = [part for part in pattern.split("/") if is_hidden(part)]
    shown = [
        part for part in match.split("/") if not any(fnmatch.fnmatchcase(part, wanted) for wanted in asked)
    ]
    return is_hidden("/".join(part for part in shown if part not in ("", ".", "..")))


def _closed_to(pattern: str) -> list[str]:
    """The folders that a pattern would have to look into and cannot, which `glob` passes over."""
    closed: list[str] = []
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
        closed += [
            f"{folder}: cannot be read: permission denied"
            for folder in glob.glob(pattern or ".", recursive=True)
            if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK)
        ]
    return sorted(set(closed))
