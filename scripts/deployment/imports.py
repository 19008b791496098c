"""Which files of `jobs/` a job's module needs: its imports, followed through the folder. Nothing is run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path
from typing import NamedTuple

from .target import DeployError

#: Modules that every function has: Python's own, ours, and what Lambda's runtime brings with boto3.
_EVERYWHERE = frozenset(sys.stdlib_module_names) | {
    "app", "chalice", "chalicelib",
    "awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3",
}  # fmt: skip
_NO_MODULE = {"Exception", "BaseException", "ImportError", "ModuleNotFoundError"}


class Import(NamedTuple):
    """One name that a module imports, dotted and absolute."""

    name: str
    line: int
    #: The module fails without it. Not so in a `try` that catches it, and for `b` of `from a import b`, which
    #: may be a module or anything else in `a`.
    needed: bool


def imported_files(folder: Path, module: str, libraries: frozenset[str] | None) -> set[Path]:
    """The file of `module` in `folder`, and those of all that it imports, and they import, from there.

    `libraries` are the modules that the package's requirements bring; None where they are not known yet.
    Libraries win over files of the same name, as they do on Lambda. What stands under `if TYPE_CHECKING` does
    not count. A name that is made while the code runs cannot be seen: such files are listed in `files`.
    Raises DeployError for a module that would be missing on Lambda.
    """
    found: set[Path] = set()
    todo = [(path, module) for path in _files(folder, [module]) or ()]
    while todo:
        path, name = todo.pop()
        if path in found:
            continue
        found.add(path)
        if path.suffix not in SOURCE_SUFFIXES:
            continue
        shown = path.relative_to(folder.parent).as_posix()
        package = name if path.stem == "__init__" else name.rpartition(".")[0]
        for wanted in imports_of(path.read_bytes(), shown, package):
            parts = wanted.name.split(".")
            if parts[0] in _EVERYWHERE or parts[0] in (libraries or ()):
                continue
            files = _files(folder, parts[1:] if parts[0] == folder.name else parts)
            if files is not None:
                todo += [(file, _dotted(file, folder, parts[0])) for file in files]
            elif wanted.needed and (libraries is not None or _is_there(folder, parts[0])):
                raise DeployError(_missing(shown, wanted, folder.name))
    return found


def imports_of(source: bytes, shown: str, package: str) -> list[Import]:
    """What the module imports, wherever in it; `package` is the one it is in. Raises DeployError if it is no Python."""
    try:
        tree = ast.parse(source, shown)
    except (SyntaxError, ValueError) as error:
        raise DeployError(f"{shown}: cannot be read as Python: {error}") from error
    finder = _Finder(package)
    finder.visit(tree)
    return finder.found


class _Finder(ast.NodeVisitor):
    def __init__(self, package: str) -> None:
        self.found: list[Import] = []
        self._package = package
        self._needed = True

    def visit_If(self, node: ast.If) -> None:
        name = getattr(node.test, "id", getattr(node.test, "attr", ""))
        children: list[ast.AST] = [*node.orelse]
        if name != "TYPE_CHECKING":
            children = [node.test, *node.body, *children]
        for child in children:
            self.visit(child)

    def visit_Try(self, node: ast.Try) -> None:
        before, self._needed = self._needed, self._needed and not any(map(_catches_imports, node.handlers))
        for child in node.body:
            self.visit(child)
        self._needed = before
        for rest in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(rest)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node, self._needed)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._absolute("." * node.level + (node.module or ""))
        self._add(base, node, self._needed)
        for alias in node.names:
            self._add(f"{base}.{alias.name}", node, needed=False)

    def visit_Call(self, node: ast.Call) -> None:
        """`import_module("a")` and `__import__("a")`, where the name can be read."""
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called in ("import_module", "__import__") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                self._add(self._absolute(first.value), node, self._needed)
        self.generic_visit(node)

    def _absolute(self, name: str) -> str:
        rest = name.lstrip(".")
        level = len(name) - len(rest)
        if not level:
            return rest
        above = self._package.split(".")[: max(0, self._package.count(".") + 2 - level)]
        return ".".join(filter(None, [*above, rest]))

    def _add(self, name: str, node: ast.AST, needed: bool) -> None:
        if name:
            self.found.append(Import(name, getattr(node, "lineno", 0), needed))


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or getattr(kind, "id", "") in _NO_MODULE for kind in caught)


def _files(folder: Path, parts: list[str]) -> list[Path] | None:
    """The files that importing the dotted name runs, in their order; None if there is no such module."""
    found: list[Path] = []
    base = folder
    for number, part in enumerate(parts, start=1):
        if part == "*":
            return [*found, *_modules(base)]
        base = base / part
        own = next(_module_files(base), None)
        if own is None and not base.is_dir():
            return None
        found += [own] if own else []
        if number < len(parts) and not base.is_dir():
            return None  # a module has no modules in it
    return found


def _module_files(base: Path) -> Iterator[Path]:
    """The file that `import base` would run, first: a package's, then a module's."""
    candidates = [base / "__init__.py", *(base.with_name(base.name + end) for end in _SUFFIXES)]
    return (path for path in candidates if path.is_file())


_SUFFIXES = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)


def _modules(package: Path) -> list[Path]:
    return sorted(path for path in package.glob("*.py") if path.is_file())


def _dotted(file: Path, folder: Path, first: str) -> str:
    """How the module is called that `file` holds, imported by a name that begins with `first`."""
    parts = list(file.relative_to(folder).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join([folder.name, *parts] if first == folder.name else parts)


def _is_there(folder: Path, first: str) -> bool:
    """Whether the name is one of the folder's, so that no library can have been meant."""
    return (
        first == folder.name
        or (folder / first).is_dir()
        or next(_module_files(folder / first), None) is not None
    )


def _missing(shown: str, wanted: Import, folder: str) -> str:
    first = wanted.name.partition(".")[0]
    return (
        f"{shown}:{wanted.line}: imports {wanted.name}, which Lambda would not find: it is not in Python, in "
        f"{folder}/ or in requirements.txt; put {first}.py beside the job file, or list the package that has it in the "
        "job's `requirements`"
    )
