"""The tables of docs/scale.md: what runs of published workloads would take, and how far the arithmetic can be trusted.

python -m benchmarks.scale            writes the tables of estimates: arithmetic, a second
python -m benchmarks.scale --twin     and what the simulated cloud says of the same and of few slots: minutes
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from typing import Literal

from msgspec.structs import replace

from chalicelib.config import schema
from chalicelib.config.chosen import choose
from chalicelib.core.spec import MIB, InputSpec, JobSpec, OutputSpec, PlaceSpec, ShuffleSpec
from chalicelib.run.estimate.advice import advise
from chalicelib.run.estimate.estimate import Estimate, estimate
from chalicelib.run.estimate.figures import FIGURES, PACES, Pace
from chalicelib.run.estimate.work import InputWork, Work, joined

from .scale_page import PAGE, as_table, written

GB = 10**9
CONCURRENCIES = (10, 1000, 10_000)
#: What Athena charges for a byte that it scans: $5 a TB (its price list, us-east-1, 2026-11).
ATHENA = 5.0 / 10**12
DEFAULTS = JobSpec(
    job="job:Job",
    input=InputSpec(url="s3://in/"),
    work=PlaceSpec(url="s3://work/"),
    output=OutputSpec(url="s3://out/"),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A published workload: its sizes in GB, and by size what others published: `12.5 s (Ribble)`."""

    title: str
    kind: str
    ways: tuple[str, ...]
    sizes: tuple[float, ...]
    published: dict[float, str]
    #: Of several inputs: the kind of each, and its share of the bytes.
    inputs: tuple[tuple[str, float], ...] = ()


CASES = (
    Case(
        title="TPC-H Q1",
        kind="few groups",
        ways=("record", "chunk", "sql"),
        sizes=(3, 10, 30, 100, 1000),
        published={3: "12.5 s", 10: "15 s", 30: "14 s", 100: "37 s"},
    ),
    Case(
        title="TPC-H Q6",
        kind="filter",
        ways=("record", "chunk", "sql"),
        sizes=(3, 10, 30, 100, 1000),
        published={3: "13 s", 10: "14 s", 30: "15 s", 100: "26 s"},
    ),
    Case(
        title="AMPLab aggregation",
        kind="many groups",
        ways=("record", "chunk", "sql"),
        sizes=(25.4, 126.8, 1000, 100_000),
        published={25.4: "48.5 s", 126.8: "168.8 s"},
    ),
    Case(
        title="AMPLab join",
        kind="join",
        ways=("record", "sql"),
        sizes=(26.7, 133.2),
        published={26.7: "288 s", 133.2: "885 s"},
        inputs=(("join", 0.048), ("filter", 0.952)),  # rankings, and a month of visits
    ),
    Case(
        title="Sort",
        kind="sort",
        ways=("record", "chunk"),
        sizes=(100, 1000, 10_000),
        published={1000: "204 s"},
    ),
)
WAYS = {"record": "record", "chunk": "chunk", "sql": "SQL"}


def _work(case: Case, size: float, way: str) -> Work:
    if not case.inputs:
        return Work(bytes=int(size * GB), objects=max(1, round(size)), kind=case.kind, way=way)
    parts = [
        InputWork(bytes=int(part * GB), objects=max(1, round(part)), pace=PACES[kind][way])
        for kind, part in ((kind, size * share) for kind, share in case.inputs)
    ]
    return joined(parts, way=way, kind=case.kind)


def tables() -> str:
    """Every workload at every size: with the defaults, and with the settings that `plan.py` advises."""
    return "\n\n".join(f"### {case.title}\n\n{as_table([*_rows(case)])}" for case in CASES)


_HEAD = ("GB", "per", "defaults: tasks", "at 1 000", "advised settings", "at 10", "at 1 000", "at 10 000", "requests",
         "binds", "Athena", "published")  # fmt: skip


def _rows(case: Case) -> Iterator[Sequence[str]]:
    yield _HEAD
    for size in case.sizes:
        for way in case.ways:
            work = _work(case, size, way)
            now, advice = estimate(DEFAULTS, work), advise(DEFAULTS, work)
            spec = advice.spec if advice else DEFAULTS
            changes = advice.changes if advice else ()
            best = [estimate(spec, dataclass_replace(work, concurrency=most)) for most in CONCURRENCIES]
            yield (
                f"{size:,g}",
                WAYS[way],
                f"{now.shape.tasks:,} x {now.shape.reducers:,}",
                _took(now),
                "<br>".join(f"{one.setting}: {one.value}" for one in changes) or "as they are",
                *map(_took, best),
                f"{best[1].requests.total:,}",
                best[1].binding.name,
                f"${work.bytes * ATHENA:,.2f}" if case.kind != "sort" else "",
                case.published.get(size, ""),
            )


def _took(found: Estimate) -> str:
    """`20 s (22), $0.08`, or the limit at which the run cannot end."""
    if not found.ends:
        return f"cannot end: {found.binding.name}"
    return f"{found.times.median:,.0f} s ({found.times.p95:,.0f}), ${found.total:,.{2 if found.total >= 1 else 3}f}"


#: What jobs may expect, in GB, and the kinds of work that are shown.
EXPECTED = ((0.001, "1 MB"), (1, "1 GB"), (100, "100 GB"), (1000, "1 TB"), (10_000, "10 TB"))
_EXPECTED_KINDS = ("few groups", "many groups", "sort")


def expected() -> str:
    """Runs with the defaults, and with what `expect` makes a deployment choose; a small one, where much is expected."""
    rows: list[Sequence[str]] = [
        (
            "input",
            "like",
            "the defaults",
            "chosen for it",
            "memory of mapper and reducer, supervisor",
            "local disk",
        )
    ]
    for gigabytes, shown in EXPECTED:
        for kind in _EXPECTED_KINDS:
            work = Work(bytes=int(gigabytes * GB), objects=max(1, round(gigabytes)), kind=kind)
            rows.append((shown, kind, *_beside(work, work.bytes)))
    work = Work(bytes=GB // 1000, kind="many groups")
    rows.append(("1 MB, where 1 TB is expected", "many groups", *_beside(work, 1000 * GB)))
    return as_table(rows)


def _beside(work: Work, expect: int) -> Iterator[str]:
    spec, _ = choose(replace(DEFAULTS, expect=expect), schema.LEAVES)
    for each in (DEFAULTS, spec):
        found = estimate(each, work)
        yield f"{found.times.median:,.1f} s, ${found.total:,.3g}" if found.total < 1 else _took(found)
    memory = spec.memory
    yield f"{memory.mapper:,} MB, {memory.supervisor:,} MB"
    yield f"{spec.lambda_.ephemeral_storage:,} MB"


# -- against the simulated cloud -----------------------------------------------------------------------------------

Levels = Literal["auto", "1", "2"]
#: Map tasks, reduce tasks, seconds of each, slots, levels of the shuffle.
SHAPES: tuple[tuple[int, int, int, int, Levels], ...] = (
    (1, 1, 5, 1000, "1"), (20, 4, 5, 1000, "1"), (100, 10, 20, 1000, "1"), (300, 20, 20, 1000, "1"),
    (1000, 8, 10, 1000, "1"), (300, 20, 20, 100, "1"), (100, 4, 20, 30, "1"), (3000, 4, 20, 5000, "1"),
    (100, 16, 20, 1000, "2"), (300, 36, 20, 1000, "2"), (600, 64, 20, 1000, "2"),
)  # fmt: skip


def bare(maps: int, reduces: int, seconds: float, slots: int, levels: Levels = "auto") -> Estimate:
    """The estimate of a run whose tasks take so many seconds, whatever they read: as the twin's jobs do."""
    size = 64 * MIB
    pace = Pace(map=size / 1e6 / seconds, reduce=size * maps / reduces / 1e6 / seconds, shuffled=1e-5)
    spec = replace(DEFAULTS, split_size=size, partitions=reduces, reduce_size=1, reducers=reduces)
    spec = replace(spec, shuffle=ShuffleSpec(levels=levels))
    figures = replace(FIGURES, spread=0.0, throughput=1e12, piece=1 << 40)
    return estimate(spec, Work(bytes=size * maps, own_pace=pace, concurrency=slots), figures)


def against_the_twin() -> str:
    """The arithmetic beside the product's own handlers in virtual time, over the same latencies."""
    from tests.worlds.few_slots import Load, play
    from tests.worlds.twin.terms import Terms

    rows: list[Sequence[str]] = [
        ("map x reduce tasks", "seconds each", "slots", "levels", "twin s", "estimate s", "error",
         "twin requests", "error", "twin dollars", "error")
    ]  # fmt: skip
    for maps, reduces, seconds, slots, levels in SHAPES:
        load = Load(maps=maps, reduces=reduces, seconds=float(seconds), levels=levels)
        twin, found = play(load, Terms(slots=slots), seed=1), bare(maps, reduces, seconds, slots, levels)
        asked = sum(twin.requests.values())
        rows.append(
            (
                f"{maps:,} x {reduces:,}", str(seconds), f"{slots:,}", levels,
                f"{twin.last:,.1f}", f"{found.times.median:,.1f}", _error(found.times.median, twin.last),
                f"{asked:,}", _error(found.requests.total, asked),
                f"{twin.dollars:,.4f}", _error(found.total, twin.dollars),
            )
        )  # fmt: skip
    return as_table(rows)


# -- against what others measured ----------------------------------------------------------------------------------


def published() -> str:
    """Ribble in the twin, beside its author's tables."""
    from tests.worlds.twin.ribble import TABLES, Ribble

    rows: list[Sequence[str]] = [("query", "GB", "mappers", "published s", "twin s", "error")]
    for row in TABLES:
        took = Ribble(row).run()
        rows.append(
            (row.query, str(row.gb), f"{row.mappers:,}", f"{row.seconds:g}", f"{took:.1f}", _error(took, row.seconds))
        )  # fmt: skip
    return as_table(rows)


def _error(value: float, real: float) -> str:
    return f"{value / real - 1:+.0%}"


# -- the page ------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--twin", action="store_true", help="run the simulated cloud as well")
    options = parser.parse_args()
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)  # runs that fail are among what is shown
    page = written(PAGE.read_text("utf-8"), "estimates", tables())
    page = written(page, "expected", expected())
    page = written(page, "published", published())
    if options.twin:
        from . import few_slots

        page = written(page, "twin", against_the_twin())
        page = written(page, "few slots", few_slots.table())
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
