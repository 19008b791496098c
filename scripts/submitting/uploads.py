"""Which files are uploaded, and as what. Nothing is uploaded here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.config.load import LoadedJob
from chalicelib.core.errors import UserError
from chalicelib.core.keys import is_hidden
from chalicelib.core.ports import Loc
from chalicelib.core.spec import MANIFEST_SUFFIX, InputSpec
from chalicelib.functions.run_inputs import READY
from chalicelib.local.inputs import Below, look_below

#: Bytes of the longest key that S3 takes.
MAX_KEY = 1024


@dataclass(frozen=True)
class Upload:
    """A file, the object that it becomes, and its size in bytes."""

    path: Path
    loc: Loc
    size: int


@dataclass(frozen=True)
class Choice:
    """What is uploaded, and what is passed over."""

    uploads: list[Upload]
    #: Files below a folder that would start no run, with the reason.
    skipped: list[str]


def plan_uploads(files: Sequence[Path], job: LoadedJob, *, prefix_dir: bool) -> Choice:
    """Choose the object that each file becomes, in the order given.

    Raises UserError that names every problem: a file that is missing or cannot be read, two files of one
    name, a name that S3 or the job cannot take, or no file at all.
    """
    uploads: dict[Loc, Upload] = {}
    problems: list[str] = []
    skipped: list[str] = []
    for given, source in by_input(files, job):
        if not os.path.lexists(given):
            problems.append(f"{given}: no such file or folder")
        below = look_below(given) if given.is_dir() else Below()
        problems += below.unreadable
        skipped += [f"{given / name}/: {why}" for name, why in below.left_out.items()]
        for path, name in _named(given, below, prefix_dir):
            loc = source.loc.child(name)
            if idle := _starts_nothing(name, job, source.suffix):
                (problems if path == given else skipped).append(f"{path}: {idle}")
                continue
            problem = _refusal(path, loc, job)
            if loc in uploads and not problem:
                problem = f"would be uploaded as {name}, and so would {uploads[loc].path}"
            if problem:
                problems.append(f"{path}: {problem}")
                continue
            uploads[loc] = Upload(path, loc, path.stat().st_size)
    if problems:
        raise UserError("\n".join(["nothing was uploaded:", *problems]))
    if not uploads:
        raise UserError("\n".join([f"nothing to upload: {', '.join(map(str, files))}: no files", *skipped]))
    return Choice(list(uploads.values()), skipped)


def by_input(files: Iterable[Path], job: LoadedJob) -> Iterator[tuple[Path, InputSpec]]:
    """Each file with the input it is for. For a job with several inputs it is given as `TAG=FILE`. Raises UserError."""
    inputs = {given.tag: given for given in job.spec.inputs}
    for file in files:
        if len(inputs) == 1:
            yield file, job.spec.input
            continue
        tag, equals, name = str(file).partition("=")
        if not equals or not name or tag not in inputs:
            raise UserError(
                f"{file}: for which input? Expected {' or '.join(f'{known}=FILE' for known in inputs)}"
            )
        yield Path(name), inputs[tag]


def _named(given: Path, below: Below, prefix_dir: bool) -> Iterator[tuple[Path, str]]:
    """(file, its name below the input place): what was given, or the files `below` it, sorted by name."""
    if given.is_dir():
        base = given.resolve().name + "/" if prefix_dir else ""
        for name in below.files:
            yield given / name, base + name
    elif os.path.lexists(given):
        yield given, given.name


def _starts_nothing(name: str, job: LoadedJob, suffix: str) -> str:
    """Why the coordinator would pass over this name; "" if it would not."""
    base = name.rpartition("/")[2]
    marker = job.spec.trigger in ("marker", "success")
    if is_hidden(name) and not (marker and base == READY):
        return (
            "would not be read: names that start with _ or . are hidden, and what is in folders of such names"
        )
    if not marker and not base.endswith(suffix):
        return f"would start no run: {job.path.name}: input.suffix is {suffix!r}"
    return ""


def _refusal(path: Path, loc: Loc, job: LoadedJob) -> str:
    """Why this file cannot be submitted; "" if it can."""
    try:
        length = len(loc.key.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8, as S3 requires of keys: rename it"
    if not path.is_file():
        return "expected a file or a folder; it is a broken link or a special file"
    if not os.access(path, os.R_OK):
        return "cannot be read: permission denied"
    if length > MAX_KEY:
        return f"its key would have {length} bytes, S3 allows {MAX_KEY}"
    if job.spec.trigger == "each":
        return ""
    base = loc.key.rpartition("/")[2]
    if base == READY or base.endswith(MANIFEST_SUFFIX):
        return "the job would take this file for a marker and start a run: rename it"
    if loc.url.splitlines() != [loc.url.strip()]:
        return "a manifest cannot list a name that holds line breaks or ends in spaces: rename it"
    return ""
