"""Every place in the code at which a handler asks the world for something, and which of them a case comes past."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import chalicelib
from tests.worlds.simulated import Case, Cloud

PACKAGE = Path(chalicelib.__file__).parent

#: Calls of the store and the invoker that may be an invocation's last.
_METHODS = frozenset(
    ("head", "get", "stream", "put", "put_if_absent", "put_if_match", "list", "delete", "commit", "invoke")
)
#: What such an object is called in the code.
_WORLD = ("store", "_store", "invoker", "sink")
#: Not of the four handlers' protocol: adapters, tools, readers of formats; and what has faults of its own put to it:
#: SQL (tests/features/sql), totals (tests/features/accumulate), processes of their own (test_deadly_records), what
#: happens where no supervisor stays (tests/features/test_seats.py), what clocks start (tests/features/test_periods.py),
#: notices (tests/features/test_notices.py), whoever stops a run (test_stopped.py), results of earlier steps and loops
#: (tests/features/steps).
_OTHERS = (
    "stores/", "aws/", "local/", "mrjob/", "config/", "run/status/", "run/estimate/", "testing/", "mapreduce/sql/",
    "mapreduce/input/records.py", "mapreduce/input/parquet.py", "mapreduce/output/parquet.py",
    "mapreduce/output/folders.py", "run/totals_pointer.py", "functions/supervision/totals_turn.py", "job/accumulate.py",
    "functions/supervision/notices.py", "functions/given_up.py", "functions/stop.py", "job/side_files.py",
    "functions/attempt/deadly_records.py", "functions/attempt/read_only.py", "functions/attempt/remembering.py",
    "run/periods/", "mapreduce/earlier/", "functions/scheduler.py", "functions/auditor.py", "functions/auditing/",
)  # fmt: skip


_IMPURE = "user's code that is no function of its input"
#: Calls, or functions that make some, that no case here comes past, and why.
ELSEWHERE = {
    ("mapreduce/shuffle/fetch.py", "store.get"): "reads side by side, in threads: on the emulator",
    ("mapreduce/shuffle/fetch.py", "self._store.get"): "reads ahead, in threads: on the emulator",
    (
        "core/plan_file.py",
        "read_tasks",
    ): "plans of some hundred tasks and more: tests/unit/core/test_plan_file.py",
    ("run/verdict.py", "decide"): "verdicts that differ: test_repeat_safety",
    ("core/plan_file.py", "mark_stopped"): "a run that somebody stops: test_stopped.py",
    ("run/manifest.py", "_show_latest"): "runs that end in any order: tests/features/test_latest.py",
    ("run/manifest.py", "publish_counted"): "totals: tests/features/accumulate",
    (
        "functions/supervision/next_phase.py",
        "planned_tasks",
    ): "this machine's engine: tests/features/test_local_engine.py",
    (
        "functions/supervision/second_level.py",
        "_stored_sums",
    ): "phases of thousands of tasks: test_second_level.py",
    (
        "functions/supervision/second_level.py",
        "_all_sums",
    ): "phases of thousands of tasks: test_second_level.py",
    (
        "functions/supervision/left_out.py",
        "leave_out",
    ): "a kill at each call: tests/features/test_left_out.py",
    ("run/lease.py", "free"): "this machine's engine: tests/features/test_local_engine.py",
    ("run/manifest.py", "_put_manifest"): "a manifest of another plan: test_final",
    ("functions/coordinator.py", "_pass_on"): "a supervisor that has failed for good: test_coordinator",
    ("functions/run_inputs.py", "chain"): "a chain by another job's _SUCCESS: test_brakes",
    ("functions/coordinator.py", "store.list(output)"): "results of another plan: test_final",
    ("mapreduce/input/blocks.py", "_stream"): "asked for where the blocks are taken, by a reader of formats",
    ("mapreduce/input/read_ahead.py", "self._store.get"): "reads side by side, in threads: on the emulator",
    ("mapreduce/input/read_ahead.py", "_stream"): "reads ahead, in threads: on the emulator",
    ("functions/supervision/early.py", "_group_is_done"): "phases of thousands of tasks: test_early.py",
    ("run/reduce_plan.py", "_slices_of_old"): "an index of earlier code: test_begun_before",
    (
        "run/reduce_plan.py",
        "_stored_sums",
    ): "phases of thousands of tasks: tests/unit/run/test_reduce_plan.py",
    ("run/reduce_plan.py", "_all_sums"): "phases of thousands of tasks: tests/unit/run/test_reduce_plan.py",
    ("mapreduce/output/commit_part.py", "self._store.head(self._loc)"): _IMPURE,
    ("mapreduce/output/commit_part.py", "self._store.stream(self._loc)"): _IMPURE,
}


class Site(NamedTuple):
    module: str
    first: int
    last: int
    function: str
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.first}: {self.text}"


def in_the_code() -> list[Site]:
    """All calls like `runtime.store.put(...)` in modules of the handlers, and all such methods handed on."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if module.startswith(_OTHERS):
            continue
        nodes = list(ast.walk(ast.parse(path.read_text())))
        calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
        inside = {id(node): function.name for function in functions for node in ast.walk(function)}
        for node in nodes:
            if not isinstance(node, ast.Attribute) or node.attr not in _METHODS:
                continue
            if ast.unparse(node.value).rpartition(".")[2] in _WORLD:
                whole = calls.get(id(node), node)
                last = whole.end_lineno or whole.lineno
                found.append(Site(module, whole.lineno, last, inside.get(id(node), ""), ast.unparse(whole)))
    return found


class _Witness(Cloud):
    """Notes, for each call, the lines of our code that it came from, innermost first."""

    def __init__(self, *args: Any) -> None:
        self.lines: list[list[tuple[str, int]]] = []
        super().__init__(*args)

    def call(self, effect: Callable[[], Any]) -> Any:
        frame, lines = sys._getframe(1), []
        while frame:
            path = frame.f_code.co_filename
            if path.startswith(str(PACKAGE)):
                lines.append((path[len(str(PACKAGE)) + 1 :], frame.f_lineno))
            elif path.endswith("simulation.py") and frame.f_code.co_name == "_handle":
                break
            frame = frame.f_back  # type: ignore[assignment]
        self.lines.append(lines)
        return super().call(effect)


class Sites:
    """What was met, over all cases."""

    def __init__(self) -> None:
        self.all = in_the_code()
        self.met: set[Site] = set()
        self.killed = 0

    def calls_of(self, case: Case, scratch: Path, *, every: bool) -> list[int]:
        """The numbers of the calls of a calm run: all, or the first from each site that is new."""
        cloud = _Witness(case, scratch)
        case.begin(cloud)
        cloud.run()
        by_site: dict[Site | None, list[int]] = defaultdict(list)
        for number, lines in enumerate(cloud.lines, start=1):
            by_site[self._site(lines)].append(number)
        assert None not in by_site, [cloud.lines[number - 1] for number in by_site[None]]
        new = {site for site in by_site if site} - self.met
        self.met |= new
        return list(range(1, cloud.calls + 1)) if every else sorted(by_site[site][0] for site in new)

    def _site(self, lines: list[tuple[str, int]]) -> Site | None:
        for module, line in lines:
            for site in self.all:
                if site.module == module and site.first <= line <= site.last:
                    return site
        return None

    def unmet(self) -> list[str]:
        return [
            str(site)
            for site in self.all
            if site not in self.met
            and not {(site.module, site.text), (site.module, site.function)} & ELSEWHERE.keys()
        ]

    def __str__(self) -> str:
        return f"{len(self.met)} of {len(self.all)} calls in the code, {self.killed} kills, one at a time"
