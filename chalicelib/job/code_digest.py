"""What a run's code is, in a few characters: a run is of one code, so whoever works on it compares.

The digest is a function of the sources alone, the same on every machine: Sluice's version, the job's file, the modules
beside it that it imports (and those that they import), by statement or by `import_module("name")`, the side files
beside it, and requirements, as lists or in the job's own file: what `scripts/deploy.py` ships. What is installed from
them is not in it, nor is a module that is imported under a name made at run time, unless `files` lists it:
`unseen_imports` tells of such.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ..core.errors import CodeChanged
from ..core.plan import Plan
from ..core.spec import JobSpec
from .load_class import module_of
from .side_files import object_of

#: Which Sluice this is: part of every digest.
VERSION = "0.1.0"
#: What every digest made here begins with. Another way to make them needs another beginning: digests are compared only
#: if they are made in one way, so that a run begun by other code than this is finished without complaint.
_FORM = "3:"
_DIGITS = 12
#: Never the job's own, wherever that lies.
_OURS = __name__.partition(".")[0]


def check_same(load_job: Callable[[str], type[Any]], plan: Plan) -> None:
    """Raise CodeChanged if the run of `plan` was begun by other code than this process has."""
    if not plan.code.startswith(_FORM) or plan.code == (own := digest(load_job, plan.spec)):
        return
    raise CodeChanged(
        f"job {plan.job} was deployed again while run {plan.run} was under way (code {plan.code} -> {own}), and a"
        " run is of one code: drop the files again, or give them to scripts/submit.py again, to run the new code"
    )


def digest(load_job: Callable[[str], type[Any]], spec: JobSpec) -> str:
    """The digest of a job's code as this process has it. Raises ConfigError for a class that cannot be loaded."""
    if spec.is_sql:
        return of_queries(spec)
    return of_class(load_job(spec.job), spec, packages=getattr(load_job, "packages", None))


def of_class(
    cls: type[Any], spec: JobSpec, version: str = VERSION, packages: tuple[str, ...] | None = None
) -> str:
    """The digest of a job that is a class. Its files are read once a process.

    `packages`: its `requirements` as this process was deployed with them, if that is known; a run's may be older.
    """
    beside = tuple(entry for entry in spec.side_files if object_of(entry) is None)
    # A package that is named in the job's file is no file: its name stands for it.
    return _of_module(
        module_of(spec.job, cls),
        cls.__qualname__,
        (*beside, *(spec.packages if packages is None else packages)),
        version,
    )


def of_queries(spec: JobSpec, version: str = VERSION) -> str:
    """The digest of a job in SQL: its queries, and the versions of what runs them."""
    sql = spec.sql
    parts = [version, _duckdb(), sql.map, sql.key, sql.reduce, sql.order_by, spec.input.columns]
    for given in spec.inputs if spec.more_inputs else ():
        parts += [given.tag, given.map, given.columns]
    return _shown(hashlib.sha256("\0".join(parts).encode()))


def _duckdb() -> str:
    for name in ("_duckdb", "duckdb"):  # only jobs in SQL have it; its library alone starts faster
        with suppress(ImportError):  # whoever opens it says what is missing
            return str(import_module(name).__version__)
    return ""


@lru_cache(maxsize=64)
def _of_module(module: ModuleType | None, name: str, beside: tuple[str, ...], version: str) -> str:
    """By the module itself, so that one that is loaded anew from the same file has a digest of its own."""
    found = hashlib.sha256(version.encode())
    file = getattr(module, "__file__", None)
    if file is None:  # typed into an interpreter
        found.update(name.encode())
        return _shown(found)
    path = Path(file)
    for source in _sources(path):
        _add(found, source.relative_to(path.parent).as_posix(), source)
    for entry in beside:
        _add(found, entry, path.parent / entry)
    return _shown(found)


def _shown(found: hashlib._Hash) -> str:
    return _FORM + found.hexdigest()[:_DIGITS]


def _add(found: hashlib._Hash, name: str, path: Path) -> None:
    """Name and content of a file; of one that is gone, its name: whoever opens it says so."""
    found.update(f"\0{name}\0".encode())
    with suppress(OSError), path.open("rb") as file:
        found.update(hashlib.file_digest(file, "sha256").digest())


def _sources(path: Path) -> list[Path]:
    """A module's file, and the files in its folder that it imports, directly or not; in one order everywhere."""
    folder, seen, rest = path.parent, set[Path](), [path]
    while rest:
        source = rest.pop()
        if source in seen:
            continue
        seen.add(source)
        with suppress(OSError):
            for name in _imported(source.read_bytes()):
                # `from . import helper` of a module beside the job's means what lies there, too
                rest += _found(folder, name.lstrip(".") if source.parent == folder else name)
    return sorted(seen)


#: A call that names the module it imports; and what comes from a package, over several lines. All are compiled at their
#: first use: a function that starts may need none of them.
_NAMED = rb"""(?:import_module|__import__)\(\s*["']([\w.]+)["']"""
_LISTED = rb"from\s+(\w+)\s+import\s*\(([^)]*)\)"
_COMMENT = rb"#[^\n]*"


def _imported(source: bytes) -> Iterator[str]:
    """Dotted names of the modules that a source imports, and perhaps words that name no module.

    Cheaper than a syntax tree: functions do this while they start.
    """
    for named in re.finditer(_NAMED, source):
        yield named[1].decode("ascii", "replace")
    for package, listed in re.findall(_LISTED, source):
        yield from _members(package, re.sub(_COMMENT, b"", listed))
    for line in source.replace(b"\\\n", b" ").splitlines():
        if b"import" not in line:
            continue
        for statement in line.partition(b"#")[0].replace(b":", b";").split(b";"):
            first, _, rest = statement.strip().partition(b" ")
            if first == b"import":
                yield from (
                    name.split()[0].decode("ascii", "replace") for name in rest.split(b",") if name.strip()
                )
            elif first == b"from":
                package, _, listed = rest.partition(b" import ")
                yield from _members(package.strip(), listed)


def _members(package: bytes, listed: bytes) -> Iterator[str]:
    """What `from package import listed` may mean, each of which may be a module."""
    for name in listed.split(b","):
        words = name.split()
        yield b".".join([package, *words[:1]]).decode("ascii", "replace")


def _found(folder: Path, dotted: str) -> list[Path]:
    """The files of a module or a package beside the job's; none of Python's own, which no file there can hide.

    Beside it is also what is imported by the folder's own name, as `jobs.helper`.
    """
    first, _, rest = dotted.partition(".")
    name = rest.partition(".")[0] if first == folder.name else first
    if not name.isidentifier() or name == _OURS or name in sys.stdlib_module_names:
        return []
    module, package = folder / f"{name}.py", folder / name
    found = [module] if module.is_file() else []
    return [*found, *package.rglob("*.py")] if package.is_dir() else found


#: Calls that import what their argument names, or run it as code.
_LOADERS = frozenset({"import_module", "__import__", "run_module", "run_path", "spec_from_file_location"})


def unseen_imports(cls: type[Any], spec: JobSpec) -> list[str]:
    """Where a job's code imports by a name made while it runs, a sentence each; none if `files` lists modules."""
    import ast  # only for people, not for functions

    file = getattr(module_of(spec.job, cls), "__file__", None)
    if file is None or any(entry.endswith(".py") for entry in spec.side_files):
        return []
    told = []
    for path in _sources(Path(file)):
        tree: ast.AST = ast.Pass()
        with suppress(OSError, SyntaxError, ValueError):  # whoever imports it says so
            tree = ast.parse(path.read_bytes(), path.name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (called := _loader(node.func)):
                (first, *_) = (*node.args, None)
                if called not in ("import_module", "__import__") or not isinstance(first, ast.Constant):
                    told.append(_unseen(path.relative_to(Path(file).parent), node.lineno, called))
    return told


def _loader(function: Any) -> str:
    """The name of a call that loads code, else nothing."""
    name = getattr(function, "id", getattr(function, "attr", ""))
    return name if name in _LOADERS else ""


def _unseen(path: Path, line: int, called: str) -> str:
    return (
        f"{path.as_posix()}:{line}: {called}: which module is meant shows only while the code runs: list the files of"
        " all that it may be in `files`; otherwise they are not shipped, and a run goes on when they are changed"
    )
