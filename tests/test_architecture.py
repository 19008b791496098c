"""The house shows its plan: rooms import down only, the pure rooms touch no world, keys have one home."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError

import pytest

from docs import house

MODULES = house.modules()

#: The rooms, lowest first. A module may import from its own room and from those before it in this list,
#: but for the rooms that do not know each other.
ROOMS = (
    "core", "aggregators", "job", "config",
    "mapreduce.shuffle", "mapreduce.input", "mapreduce.guard", "mapreduce.output",
    "mapreduce.earlier", "mapreduce.map", "mapreduce.reduce", "mapreduce.exchange", "mapreduce.sql",
    "run", "run.status", "run.estimate", "run.periods", "functions.attempt", "functions.supervision", "functions",
    "functions.auditing",
    "stores", "aws", "local.remote", "local", "join", "testing", "mrjob.support", "mrjob",
)  # fmt: skip
#: What a room may not import though it is below it: handlers know no adapter, and tasks no protocol.
STRANGERS = {
    "config": {"aggregators", "job"},
    "mapreduce.reduce": {"mapreduce.map"},
    "mapreduce.sql": {"mapreduce.map", "mapreduce.reduce"},
    "stores": {room for room in ROOMS if room != "core"} - {"stores"},
}
#: Rooms without effects of their own: what they need of the world comes in by `core.ports`.
PURE = {"core", "aggregators", "mapreduce.shuffle", "mapreduce.output", "mapreduce.map", "mapreduce.reduce",
        "mapreduce.earlier", "mapreduce.exchange", "mapreduce", "run", "run.estimate", "run.periods",
        "functions", "functions.attempt", "functions.supervision", "functions.auditing"}  # fmt: skip
#: Modules with effects of their own in a pure room, and why.
WITH_EFFECTS: dict[str, str] = {}
FORBIDDEN = {
    "boto3", "botocore", "chalice", "rich", "random", "uuid", "time", "multiprocessing", "subprocess", "asyncio",
}  # fmt: skip
#: Entries of the package's root, and modules in a room: more than that, and nobody finds anything.
MOST_ENTRIES, MOST_MODULES, MOST_LINES = 15, 12, 400


def room(module: str) -> str:
    return house.room(module, MODULES[module])


def nodes_of(module: str) -> tuple[ast.AST, ...]:
    return house.nodes(MODULES[module])


def docstring_of(module: str) -> str:
    tree = nodes_of(module)[0]
    assert isinstance(tree, ast.Module)
    return ast.get_docstring(tree) or ""


def libraries(module: str) -> Iterator[tuple[str, int]]:
    """(name of what is imported, line), of all that is not of this package."""
    for node in nodes_of(module):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or "", node.lineno


@cache
def ours(module: str) -> frozenset[str]:
    """The modules of ours that a module imports to run."""
    return frozenset(house.imported(module, MODULES[module], MODULES, for_types=False))


@cache
def known_to(module: str) -> frozenset[str]:
    """The modules of ours that a module names in any way: to run, or for types alone."""
    return frozenset(house.imported(module, MODULES[module], MODULES, for_types=True))


def test_the_reading_of_imports_works() -> None:
    assert {"run.lease", "run.stragglers", "core.ports"} <= ours("functions.supervisor")
    assert "core.ports" in ours("stores.memory")
    assert "stores.folder" in ours("local.publishing")
    assert "job.job" in ours("__init__")
    assert "job.job" not in ours("mrjob.job")
    assert "job.job" in known_to("mrjob.job")


def test_every_module_is_in_a_room() -> None:
    known = {*ROOMS, "", "mapreduce"}
    assert {module: room(module) for module in MODULES if room(module) not in known} == {}
    assert set(ROOMS) <= {room(module) for module in MODULES}


def test_imports_run_down() -> None:
    floors = {"": len(ROOMS), **{name: floor for floor, name in enumerate(ROOMS)}}
    upward = [
        f"{module} imports {name}"
        for module in MODULES
        if room(module) in floors and module != "__init__"
        for name in sorted(ours(module))
        if floors[room(name)] > floors[room(module)] or room(name) in STRANGERS.get(room(module), ())
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not for types either: whoever reads one of two such modules has to read both."""
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for name in known_to(module):
                visit(name, (*path, module))
            done.add(module)

    for module in MODULES.keys() - {"__init__"}:
        visit(module, ())


def test_rooms_stay_small_and_introduce_themselves() -> None:
    entries = {path.name for path in house.PACKAGE.iterdir() if path.name != "__pycache__"}
    assert len(entries) <= MOST_ENTRIES, sorted(entries)
    for name in {room(module) for module in MODULES} - {""}:
        own = [module for module in MODULES if room(module) == name and module != name]
        assert len(own) <= MOST_MODULES, (name, own)
        if len(own) > 1:
            text = docstring_of(name)
            assert "May import" in text, f"{name}/__init__.py: say what it may import"
            assert re.search(r"[Rr]ead `[\w/]+\.py` first", text), (
                f"{name}/__init__.py: say what to read first"
            )


def test_modules_stay_readable() -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert {module: lines for module, lines in lengths.items() if lines > MOST_LINES} == {}


def test_handlers_do_not_know_each_other() -> None:
    handlers = {
        f"functions.{name}" for name in ("coordinator", "mapper", "reducer", "supervisor", "scheduler")
    }
    for module in handlers:
        assert ours(module) & handlers == set(), module


def test_pure_rooms_touch_no_world() -> None:
    touched = []
    for module in MODULES:
        if room(module) not in PURE or module in WITH_EFFECTS:
            continue
        touched += [
            f"{module}:{line}: imports {name}"
            for name, line in libraries(module)
            if name.partition(".")[0] in FORBIDDEN
        ]
        for node in nodes_of(module):
            text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if text in ("os.environ", "os.getenv", "datetime.now") or text.startswith("time."):
                touched.append(f"{module}:{node.lineno}: {text}")  # type: ignore[attr-defined]
    assert touched == []


def test_what_runs_in_lambda_has_no_terminal() -> None:
    found = [
        f"{module}:{line}: imports {name}"
        for module in MODULES
        for name, line in libraries(module)
        if name.partition(".")[0] in ("rich", "pytest", "scripts")
    ]
    assert found == []


def test_object_keys_are_built_in_one_place() -> None:
    """No f-string or literal elsewhere makes the name of a protocol object."""
    shape = re.compile(
        r"\.done$|\.failed$|\.run$|plan\.json|^part-|_SUCCESS$|_FAILED$|_manifest\.json|^runs/|reduce/lease"
    )
    found = []
    for module in MODULES.keys() - {"core.keys"}:
        docstrings = {
            id(node.body[0].value)
            for node in nodes_of(module)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in nodes_of(module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                if module == "mapreduce.shuffle.spill" and node.value == ".run":
                    continue  # a file on local disk, no object
                if " " not in node.value and shape.search(node.value):
                    found.append(f"{module}:{node.lineno}: {node.value!r}")
    assert found == []


def test_nothing_is_partitioned_by_python_s_own_hash() -> None:
    """hash() differs from process to process."""
    found = [
        f"{module}:{node.lineno}"
        for module in MODULES
        for node in nodes_of(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hash"
    ]
    assert found == []


#: Roots, where whatever happened must be written down: a task, an invocation, a process; and where the
#: job's policy for bad records says that whatever the user's code raised is to be set aside.
ROOTS = {
    "functions.attempt.serve": {"saying_why", "tried"},
    "mapreduce.guard.apart": {"_child"},
    "functions.supervisor": {"_attend"},
    "local.workers": {"_handle", "_live"},
    "job.load_class": {"_load_module"},
    # where a record of the user's is set aside, whatever its code raised
    "mapreduce.guard.isolate": {"chunk", "each", "whole"},
    # the text of the user's error is the user's code as well
    "mapreduce.guard.tracebacks": {"_last_line"},
    "mapreduce.reduce.bad_groups": {"whole", "kept"},
    "mapreduce.reduce.groups": {"_finished", "_finished_singly"},
}


def test_nothing_but_a_root_catches_everything() -> None:
    swallowed = []
    for module in MODULES:
        for function in nodes_of(module):
            if not isinstance(function, ast.FunctionDef) or function.name in ROOTS.get(module, ()):
                continue
            for node in ast.walk(function):
                if not isinstance(node, ast.ExceptHandler):
                    continue
                everything = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
                if everything and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
                    swallowed.append(f"{module}:{node.lineno}: in {function.name}")
    assert swallowed == []


@pytest.mark.parametrize("module", sorted(ROOTS))
def test_every_root_is_there(module: str) -> None:
    names = {node.name for node in nodes_of(module) if isinstance(node, ast.FunctionDef)}
    assert names >= ROOTS[module]


def test_the_picture_is_of_this_house() -> None:
    assert house.PICTURE.read_text() == house.drawing(), "the rooms have changed: make picture"


def test_a_circle_of_rooms_cannot_be_drawn() -> None:
    with pytest.raises(CycleError):
        house.floors({"a": frozenset({"b"}), "b": frozenset({"a"})})


def test_the_rooms_have_a_page_that_names_what_to_read_first() -> None:
    page = (house.ROOT / "docs" / "architecture.md").read_text()
    for name in set(ROOMS) - {"join"}:
        row = re.search(rf"^\| \[{name.replace('.', '/')}\]\(.*\| `(\w+\.py)` \|$", page, re.MULTILINE)
        assert row, f"docs/architecture.md: no row for {name}"
        assert f"`{row[1]}` first" in docstring_of(name), name
    named = set(re.findall(r"`((?:[a-z_]+/)+\w+\.py)`", page))
    missing = {
        name for name in named if not (house.PACKAGE / name).is_file() and not (house.ROOT / name).is_file()
    }
    assert missing == set()
