"""Draw the package's rooms and what they import, from the code itself: `make picture` writes docs/house.svg.

A room is a folder of modules, or a module at the package's root. Each stands on a floor above all rooms that it
imports, so every arrow runs down; a circle among rooms is an error. An arrow is left out where a longer way leads
to the same room: the picture then shows what rests on what.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "chalicelib"
PICTURE = ROOT / "docs" / "house.svg"

#: The room that all others rest on; it is drawn as wide as the house.
_GROUND = "core"
#: Sizes in pixels: a room, the gaps beside and below it, the margin.
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _MARGIN = 172, 64, 26, 62, 24
_STYLE = """
  svg { background: #ffffff; font-family: system-ui, sans-serif; }
  rect { fill: #f3f6fb; stroke: #4a6fa5; stroke-width: 1.2; }
  .name { font-size: 14px; font-weight: 600; fill: #1b2a41; }
  .size { font-size: 11px; fill: #5b6b82; }
  path { fill: none; stroke: #8aa0bf; stroke-width: 1.1; }
  marker path { fill: #8aa0bf; stroke: none; }
  @media (prefers-color-scheme: dark) {
    svg { background: #10161f; } rect { fill: #1a2433; stroke: #7f9fce; }
    .name { fill: #e6edf7; } .size { fill: #a7b5c9; }
    path { stroke: #62779a; } marker path { fill: #62779a; }
  }"""

Rooms = Mapping[str, frozenset[str]]


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Every module's dotted name below the package, and its file; a package goes by its folder's name."""
    return {
        path.relative_to(package).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
        for path in sorted(package.rglob("*.py"))
    }


def room(module: str, path: Path) -> str:
    """The room of a module; "" is the package's own `__init__`."""
    if path.name == "__init__.py":
        return module.removesuffix("__init__")
    return module.rpartition(".")[0] or module


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All that a file's code is made of, from the module itself down; walked once, whatever asks."""
    return tuple(ast.walk(ast.parse(path.read_text(), str(path))))


def imported(module: str, path: Path, known: Mapping[str, Path], *, for_types: bool) -> Iterator[str]:
    """The package's own modules that a module imports anywhere in it, be it inside a function.

    Without `for_types`, what stands below `if TYPE_CHECKING:` is left out.
    """
    passed_over = {
        id(node)
        for block in nodes(path)
        if not for_types and isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    inside = [part for part in module.removesuffix("__init__").split(".") if part]
    inside = inside if path.name == "__init__.py" else inside[:-1]
    for node in nodes(path):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module":
            yield from _by_name(node, inside, known)
        if not isinstance(node, ast.ImportFrom) or not node.level or id(node) in passed_over:
            continue
        base = ".".join([*inside[: len(inside) - node.level + 1], *((node.module or "").split("."))]).strip(
            "."
        )
        for alias in node.names:
            full = f"{base}.{alias.name}".strip(".")
            yield full if full in known else base or "__init__"


def _by_name(call: ast.Call, inside: list[str], known: Mapping[str, Path]) -> Iterator[str]:
    """What `import_module(f"..room.{name}", __package__)` can import: all modules whose names begin so."""
    text = next((node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)), "")
    name = str(text).lstrip(".")
    up = len(str(text)) - len(name) - 1
    if up >= 0:
        start = ".".join([*inside[: len(inside) - up], name]).strip(".")
        yield from (module for module in known if module.startswith(start) and module != start.strip("."))


def rooms(package: Path = PACKAGE) -> Rooms:
    """Which rooms each room imports. The package's own `__init__` and rooms without modules are left out."""
    known = modules(package)
    found: dict[str, set[str]] = {}
    for module, path in known.items():
        own = room(module, path)
        for name in imported(module, path, known, for_types=False):
            found.setdefault(own, set()).add(room(name, known[name]))
    named = found.keys() - {""}
    return {own: frozenset(found[own] & named - {own}) for own in named}


def floors(graph: Rooms) -> dict[str, int]:
    """The floor of each room, from 0 up: one above the highest room that it imports.

    Raises graphlib.CycleError for rooms that import each other.
    """
    floor: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        floor[name] = 1 + max((floor[below] for below in graph.get(name, ())), default=-1)
    return floor


def resting_on(graph: Rooms) -> Rooms:
    """The graph without the arrows that a longer way makes superfluous."""
    reach: dict[str, set[str]] = {}
    for name in TopologicalSorter(graph).static_order():
        below = graph.get(name, frozenset())
        reach[name] = set(below).union(*(reach[other] for other in below))
    return {
        name: frozenset(
            other for other in below if not any(other in reach[third] for third in below - {other})
        )
        for name, below in graph.items()
    }


def drawing(package: Path = PACKAGE) -> str:
    """The picture, as SVG; the same for the same code."""
    graph = rooms(package)
    floor, arrows = floors(graph), resting_on(graph)
    top = max(floor.values())
    sizes = dict.fromkeys(floor, 0)
    for module, path in modules(package).items():
        if path.name != "__init__.py":
            sizes[room(module, path)] += 1
    places = _places(graph, floor, arrows)
    width = max(x for x, _ in places.values()) + _WIDTH + _MARGIN
    height = (top + 1) * (_HEIGHT + _DOWN) - _DOWN + 2 * _MARGIN
    widths = {name: width - 2 * _MARGIN if name == _GROUND else _WIDTH for name in places}
    places[_GROUND] = (_MARGIN, places[_GROUND][1])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>The rooms of {package.name}: every import runs down</title>",
        f"<style>{_STYLE}\n</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7"'
        ' orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
    ]
    for name in sorted(arrows):
        lines += [_arrow(places[name], below, places[below]) for below in sorted(arrows[name])]
    for name in sorted(places):
        x, y = places[name]
        count = f"{sizes[name]} modules" if sizes[name] > 1 else "1 module"
        lines += [
            f'<rect x="{x}" y="{y}" width="{widths[name]}" height="{_HEIGHT}" rx="6"/>',
            f'<text class="name" x="{x + 12}" y="{y + 27}">{escape(name.replace(".", "/"))}</text>',
            f'<text class="size" x="{x + 12}" y="{y + 46}">{count}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _raised(graph: Rooms, floor: Mapping[str, int]) -> dict[str, int]:
    """Rooms that could stand higher, with that floor: just below the lowest room that imports them."""
    above: dict[str, list[int]] = {}
    for name, below in graph.items():
        for other in below:
            above.setdefault(other, []).append(floor[name])
    return {name: min(levels) - 1 for name, levels in above.items() if min(levels) - 1 > floor[name]}


def _places(graph: Rooms, floor: Mapping[str, int], arrows: Rooms) -> dict[str, tuple[int, int]]:
    """The upper left corner of each room: a floor's rooms stand near those that they rest on.

    Rooms that serve only the highest floors have columns of their own, so that no arrow crosses the house.
    """
    top, beside = max(floor.values()), _raised(graph, floor)
    by_floor = [
        sorted(name for name in floor if floor[name] == level and name not in beside)
        for level in range(top + 1)
    ]
    widest = max(len(names) for names in by_floor)
    places: dict[str, tuple[int, int]] = {}
    for level, names in enumerate(by_floor):

        def wanted(name: str) -> tuple[float, str]:
            below = [places[other][0] for other in arrows[name] if other in places]
            return (sum(below) / len(below) if below else 0.0), name

        start = _MARGIN + (widest - len(names)) * (_WIDTH + _ACROSS) // 2
        for number, name in enumerate(sorted(names, key=wanted)):
            places[name] = (start + number * (_WIDTH + _ACROSS), _height(top, level))
    for column, name in enumerate(sorted(beside, key=lambda name: (beside[name], name)), start=widest):
        places[name] = (_MARGIN + column * (_WIDTH + _ACROSS), _height(top, beside[name]))
    return places


def _height(top: int, level: int) -> int:
    return _MARGIN + (top - level) * (_HEIGHT + _DOWN)


def _arrow(above: tuple[int, int], name: str, below: tuple[int, int]) -> str:
    """From one room down to the room `name`, whose corner is `below`; straight down to the ground floor."""
    x, y = above[0] + _WIDTH // 2, above[1] + _HEIGHT
    to_x, to_y = x if name == _GROUND else below[0] + _WIDTH // 2, below[1]
    bend = (to_y - y) // 2
    return f'<path d="M{x} {y} C{x} {y + bend} {to_x} {to_y - bend} {to_x} {to_y}" marker-end="url(#tip)"/>'


def main() -> None:
    PICTURE.write_text(drawing())
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}: {len(floors(rooms()))} rooms\n")


if __name__ == "__main__":
    main()
