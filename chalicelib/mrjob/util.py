"""The names of `mrjob.util` that jobs use."""

from __future__ import annotations

import ast
import logging
import os
import random
import shlex
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from ..core.errors import UserError
from .step import to_lines
from .support.side_files import unpack

__all__ = [
    "cmd_line",
    "expand_path",
    "file_ext",
    "log_to_null",
    "log_to_stream",
    "random_identifier",
    "safeeval",
    "save_current_environment",
    "save_cwd",
    "save_sys_path",
    "save_sys_std",
    "shlex_split",
    "strip_microseconds",
    "to_lines",
    "unarchive",
    "unique",
    "which",
    "zip_dir",
]

T = TypeVar("T")


def cmd_line(args: Iterable[Any]) -> str:
    """A command for a shell, each argument quoted where it has to be."""
    return " ".join(shlex.quote(str(arg)) for arg in args)


def shlex_split(s: str) -> list[str]:
    return shlex.split(s)


def expand_path(path: str | None) -> str | None:
    """A path with `~` and variables of the environment put in; None for None."""
    return None if path is None else os.path.expanduser(os.path.expandvars(path))


def file_ext(filename: str) -> str:
    """All endings of a name, with their dots: `.tar.gz`; those of a hidden file begin behind its first dot."""
    _, dot, ending = filename.lstrip(".").partition(".")
    return dot + ending


def log_to_null(name: str | None = None) -> None:
    """Let a logger without handlers be silent."""
    logging.getLogger(name).addHandler(logging.NullHandler())


def log_to_stream(
    name: str | None = None,
    stream: Any = None,
    format: str | None = None,
    level: int | None = None,
    debug: bool = False,
) -> None:
    """Log to a stream, by default stderr, from the level INFO on (DEBUG if `debug`)."""
    level = (logging.DEBUG if debug else logging.INFO) if level is None else level
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(format or "%(message)s"))
    logger = logging.getLogger(name)
    logger.setLevel(level)
    logger.addHandler(handler)


def random_identifier() -> str:
    """16 digits in base 16."""
    return f"{random.getrandbits(64):016x}"


def safeeval(expr: str, globals: Mapping[str, Any] | None = None, locals: Any = None) -> Any:
    """The value of an expression of literals, of the names that are given, of items, and of calls of `set` and `range`.

    mrjob's evaluates any expression, from which all of Python can be reached; what is more than these is a ValueError.
    """
    known = {"set": set, "range": range, "xrange": range, **(globals or {}), **(locals or {})}
    return _value(ast.parse(expr.strip(), mode="eval").body, known)


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.List(elts=items):
            return [_value(item, known) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item, known) for item in items)
        case ast.Set(elts=items):
            return {_value(item, known) for item in items}
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {
                _value(key, known): _value(value, known)
                for key, value in zip(keys, values, strict=True)
                if key
            }
        case ast.Subscript(value=whole, slice=item) if not isinstance(item, ast.Slice):
            return _value(whole, known)[_value(item, known)]
        case ast.Call(func=ast.Name(id=("set" | "range" | "xrange") as name), args=items, keywords=[]):
            return known[name](*(_value(item, known) for item in items))
        case _:
            return ast.literal_eval(node)


@contextmanager
def save_current_environment() -> Iterator[None]:
    """Afterwards the environment is what it was."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def save_cwd() -> Iterator[None]:
    """Afterwards the working folder is what it was."""
    before = Path.cwd()
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def save_sys_path() -> Iterator[None]:
    """Afterwards `sys.path` is what it was."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def save_sys_std() -> Iterator[None]:
    """Afterwards the three standard streams are what they were; both outputs are flushed before."""
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def strip_microseconds(delta: timedelta) -> timedelta:
    """Whole seconds."""
    return timedelta(delta.days, delta.seconds)


def unique(items: Iterable[T]) -> Iterator[T]:
    """Each item once, in the order in which they first come."""
    seen: set[T] = set()
    for item in items:
        if item not in seen:
            seen.add(item)
            yield item


def unarchive(archive_path: str, dest: str) -> None:
    """Unpack a tar or zip file into a folder. Raises OSError for a file that is neither."""
    try:
        unpack(Path(archive_path), Path(dest))
    except UserError as error:
        raise OSError(str(error)) from error


def which(cmd: str, path: str | None = None) -> str | None:
    """Where a program lies, or None."""
    return shutil.which(cmd, path=path)


def zip_dir(dir: str, out_path: str, filter: Callable[[str], bool] | None = None, prefix: str = "") -> None:
    """Pack a folder into a zip file: the files whose path in it passes `filter`, below `prefix`.

    Raises OSError for what is no folder.
    """
    if not Path(dir).is_dir():
        raise NotADirectoryError(f"{dir}: expected a folder")
    with zipfile.ZipFile(out_path, "w", zipfile.ZIP_DEFLATED) as packed:
        for folder, _, names in os.walk(dir, followlinks=True):
            for name in names:
                inner = os.path.relpath(os.path.join(folder, name), dir)
                if filter is None or filter(inner):
                    packed.write(os.path.realpath(os.path.join(folder, name)), os.path.join(prefix, inner))
