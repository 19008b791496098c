"""The house shows its plan: imports point down, the pure parts touch no world, keys have one home."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "chalicelib"
MODULES = {
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

#: The floors of the house, lowest first; a module may import from its own floor and those below it.
FLOORS: dict[str, int] = {
    # what everybody speaks
    "errors": 0, "ports": 0, "zstd": 0, "pace": 0, "keys": 1, "spec": 1, "units": 1, "messages": 1,
    "watching": 1, "totals_model": 1, "model": 2,
    # pure parts
    "codec": 3, "sizes": 3, "splits": 3, "tree": 3, "events": 3, "partition": 4, "order": 4, "runfile": 4,
    "writing": 4, "merge": 5, "aggregators": 5, "job": 6, "ordering": 7, "spreading": 7, "accumulating": 7, "steps": 7,
    "services": 5, "sidefiles": 6, "collect": 7, "value_order": 8, "spill": 8, "join": 9,
    # the engine's steps over ports
    "fetch": 5, "plan": 5, "lease": 5, "totals": 5, "completion": 5, "reading": 5, "loading": 5, "records": 6,
    "pairs": 6, "columns": 5, "packing": 5, "rows": 6, "parquet": 8, "gathering": 8, "parts": 9, "pairmapping": 9,
    "rowmapping": 9, "maponly": 10, "weeding": 9, "blame": 7, "attempts": 7, "forgotten": 8, "quarantine": 8,
    "finish": 9, "shuffle": 9, "mapping": 9, "reducing": 10, "sampling": 10,
    # mrjob's jobs as ours; mrjob.job and mrjob.runner are a command line, so they have no floor
    "mrjob.protocols": 5, "mrjob.steps": 5, "mrjob.lines": 6, "mrjob.options": 6, "mrjob.environment": 6,
    "mrjob.trial": 6, "mrjob.tasks": 7,
    # handlers
    "sql": 8, "jobcode": 12, "planning": 12, "settling": 12,
    "coordinator": 12, "mapper": 12, "reducer": 12, "supervisor": 12,
}  # fmt: skip
PURE = {"codec", "partition", "order", "sizes", "runfile", "merge", "aggregators", "job", "splits", "tree", "events",
        "writing", "collect", "keys", "spec", "model", "errors", "ports", "completion", "plan", "lease", "shuffle",
        "finish", "fetch", "reading", "mapping", "reducing", "attempts", "coordinator", "mapper", "reducer",
        "supervisor", "loading", "spill", "records", "sampling", "steps", "ordering", "spreading", "pairs", "parts",
        "pairmapping", "weeding",
        "columns", "packing", "rows", "gathering", "rowmapping",
        "maponly", "planning", "watching", "totals_model", "accumulating", "totals", "settling"}  # fmt: skip
HANDLERS = {"coordinator", "mapper", "reducer", "supervisor"}
ADAPTERS = {"stores", "invokers", "local", "cloud"}


def floor(module: str) -> int | None:
    """A package's modules are on its floor."""
    return FLOORS.get(module, FLOORS.get(module.partition(".")[0]))


def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(), str(MODULES[module]))


def imports(module: str) -> Iterator[tuple[str, int]]:
    """(absolute name of what is imported, line); our own modules begin with `chalicelib.`.

    What is imported for types alone is no dependency.
    """
    tree = tree_of(module)
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield node.module or "", node.lineno
                continue
            package = ["chalicelib", *module.removesuffix("__init__").split(".")]
            if MODULES[module].name != "__init__.py":
                package.pop()
            package = [part for part in package if part][: len(package) - node.level + 1]
            base = ".".join([*package, node.module] if node.module else package)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield (full if full.removeprefix("chalicelib.") in MODULES else base), node.lineno


def ours(module: str) -> set[str]:
    return {
        name.removeprefix("chalicelib.") for name, _ in imports(module) if name.startswith("chalicelib.")
    } & MODULES.keys()


def test_the_reading_of_imports_works() -> None:
    assert {"attempts", "finish", "completion", "ports"} <= ours("supervisor")
    assert "ports" in ours("stores.memory")
    assert "stores.folder" in ours("local.workers")


def test_every_named_module_exists() -> None:
    assert (FLOORS.keys() | PURE) - MODULES.keys() == set()


@pytest.mark.parametrize("module", [module for module in MODULES if floor(module) is not None])
def test_imports_point_down(module: str) -> None:
    own = floor(module)
    assert own is not None
    for name in ours(module):
        assert name.partition(".")[0] not in ADAPTERS, f"{module} knows the adapter {name}"
        other = floor(name)
        assert other is not None, f"{module} imports {name}, which has no floor: give it one"
        assert other <= own, f"{module} imports {name}, which is above it"


def test_no_two_modules_import_each_other() -> None:
    graph = {module: ours(module) for module in MODULES if module != "__init__"}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for name in graph.get(module, ()):
                visit(name, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_handlers_do_not_know_each_other() -> None:
    for module in HANDLERS:
        assert ours(module) & HANDLERS == set(), module


FORBIDDEN = {
    "boto3",
    "botocore",
    "chalice",
    "rich",
    "random",
    "uuid",
    "time",
    "multiprocessing",
    "subprocess",
    "asyncio",
}


@pytest.mark.parametrize("module", [module for module in MODULES if module.partition(".")[0] in PURE])
def test_pure_modules_touch_no_world(module: str) -> None:
    for name, line in imports(module):
        assert name.partition(".")[0] not in FORBIDDEN, f"{module}.py:{line}: imports {name}"
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            assert text not in ("os.environ", "os.getenv", "datetime.now"), (
                f"{module}.py:{node.lineno}: {text}"
            )
            assert not text.startswith("time."), f"{module}.py:{node.lineno}: {text}"


@pytest.mark.parametrize("module", MODULES)
def test_what_runs_in_lambda_has_no_terminal(module: str) -> None:
    for name, line in imports(module):
        assert name.partition(".")[0] not in ("rich", "pytest", "scripts"), (
            f"{module}.py:{line}: imports {name}"
        )


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"keys"}))
def test_object_keys_are_built_in_one_place(module: str) -> None:
    """No f-string or literal elsewhere makes the name of a protocol object."""
    shape = re.compile(
        r"\.done$|\.failed$|\.run$|plan\.json|^part-|_SUCCESS$|_FAILED$|_manifest\.json|^runs/|reduce/lease"
    )
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            if module == "spill" and node.value == ".run":
                continue  # a file on local disk, no object
            assert " " in node.value or not shape.search(node.value), (
                f"{module}.py:{node.lineno}: {node.value!r}"
            )


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_partitioned_by_python_s_own_hash(module: str) -> None:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "hash", (
                f"{module}.py:{node.lineno}: hash() differs from process to process"
            )


#: Roots, where whatever happened must be written down: a task, an invocation, a process; and where the
#: job's policy for bad records says that whatever the user's code raised is to be set aside.
ROOTS = {
    "attempts": {"serve"},
    "supervisor": {"_attend"},
    "local.workers": {"_handle"},
    "loading": {"_load_module"},
    # where a record of the user's is set aside, whatever its code raised
    "weeding": {"chunk", "whole"},
    "reducing": {"_finished", "_whole", "_kept"},
}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_but_a_root_catches_everything(module: str) -> None:
    tree = tree_of(module)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.ExceptHandler):
                continue
            everything = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            allowed = function.name in ROOTS.get(module, ()) or raises
            assert not everything or allowed, (
                f"{module}.py:{node.lineno}: swallows everything in {function.name}"
            )


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_readable(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= 420, module
