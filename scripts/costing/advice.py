"""From what runs told to settings that would have cost less, or have been faster for the same money. Pure.

Each piece of advice says what it would have saved and how that was worked out; savings of several do not add up, as one
changes what the next is worked out from. What is assumed, with its reason, is at the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Literal

from chalicelib.config.units import format_size
from chalicelib.core.messages import Stats
from chalicelib.core.spec import MIB
from chalicelib.run.estimate.figures import FIGURES
from chalicelib.run.status.price_list import Prices
from chalicelib.run.status.prices import Usage, billed, cost
from scripts.console.terminal import count, human_bytes, human_dollars, human_seconds

from .told import Told

#: Sizes that are tried, in MB.
_MEMORY = (256, 512, 768, 1024, 1280, 1536, 1769, 2048, 2560, 3008, 4096, 5120, 6144, 7168, 8192, 10_240)
#: Records may take this share of a function's memory (`JobSpec.budget`), so a task that held so much had room.
_ROOM = 0.6
#: Memory that is so full is nearly too little.
_FULL = 0.9
#: Less memory is worth a word if it saves this share of a phase's time, and takes at most so much longer; more memory,
#: if it is that much faster for at most so much more money.
_SAVES, _LONGER = 0.15, 1.1
_FASTER, _DEARER = 0.7, 1.1
#: Anything else is, if it saves this share of all that a run costs.
_WORTH = 0.05
#: Starts and requests of so large a share of a task's cost are too much; of so small a one they are fine.
_OVERHEAD, _FINE = 0.3, 0.1
#: Tasks that take so much of their function's time are near its end; of so little they are not.
_LONG, _SHORT = 0.5, 0.25
#: So many runs of one task are a habit.
_MANY = 5
#: Attempts that ran out of time, of all.
_OUT_OF_TIME = 0.05


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A setting of the job's YAML, what it was and would better be, and why."""

    setting: str
    now: str
    value: str
    #: US dollars a run; below 0 for what costs more and is worth it for another reason.
    saving: float
    #: That of what a run costs.
    share: float
    why: str


def advise(told: Told, prices: Prices) -> list[Advice]:
    """What pays, the largest saving first. Nothing for runs of earlier versions, which did not tell enough."""
    if not told.mapped.starts:
        return []
    work = _phases(told, prices)
    memory = {phase.name: one for phase in work if (one := _memory(phase))}
    found = list(memory.values())
    for phase in work:
        more = phase.name in memory and int(memory[phase.name].value) > phase.memory
        if phase.stats.spilled and not more:
            found += _spilled(phase)
    found += [*_splits(work[0], told), *_many_runs(work, told), *_arm64(told, prices)]
    return sorted(found, key=lambda one: -one.saving)


@dataclass(frozen=True, kw_only=True)
class _Phase:
    """The tasks of one function."""

    name: Literal["mapper", "reducer"]
    told: Told
    prices: Prices
    tasks: int
    stats: Stats
    memory: int
    timeout: float

    @property
    def seconds(self) -> float:
        return billed(self.stats)

    def money(self, seconds: float, memory: int | None = None) -> float:
        """US dollars for so many seconds of its function."""
        used = seconds * (memory or self.memory) / 1024
        return cost(Usage(gb_seconds=used, architecture=self.told.spec.architecture), self.prices)

    def at(self, memory: int) -> float:
        """Seconds with so much memory: processor time comes with it up to a whole one; waiting for S3 does not.

        A reducer merges and writes while it reads, so all of its time is taken for the processor's.
        """
        waiting = self.stats.reading if self.name == "mapper" else 0.0
        return waiting + (self.seconds - waiting) * self._share(self.memory) / self._share(memory)

    def _share(self, memory: int) -> float:
        """Of processors. Python's tasks use one; for DuckDB each more is taken to help."""
        return memory / FIGURES.one_processor if self.told.spec.is_sql else FIGURES.share(memory)

    @property
    def needed(self) -> float:
        """MB that hold what was used, with room to spare."""
        return self.stats.peak / _ROOM

    @property
    def starting(self) -> float:
        """Seconds until the work began."""
        return self.stats.init + self.stats.starting

    @property
    def overhead(self) -> float:
        """US dollars for what each task takes whatever its size: its start, its requests, two invocations."""
        stats = self.stats
        asked = Usage(
            lambda_requests=2 * self.tasks, puts=stats.puts, gets=stats.gets, lists=stats.lists
        )  # its marker's event is one
        return self.money(self.starting) + cost(asked, self.prices)

    def advice(self, setting: str, now: object, value: object, saving: float, why: str) -> Advice:
        """`saving` is that of all the runs together."""
        total = self.told.dollars.total
        return Advice(
            setting=setting,
            now=str(now),
            value=str(value),
            saving=saving / self.told.runs,
            share=saving / total if total else 0.0,
            why=why,
        )


def _phases(told: Told, prices: Prices) -> list[_Phase]:
    spec, mapped = told.spec, told.mapped
    mapper = _Phase(
        name="mapper", told=told, prices=prices, tasks=told.map_tasks,
        stats=mapped + told.reduced if told.small else mapped, memory=mapped.memory or spec.memory.mapper,
        timeout=spec.timeout.mapper,
    )  # fmt: skip
    if told.small or not told.reduce_tasks or not told.reduced.starts:
        return [mapper]
    reducer = _Phase(
        name="reducer", told=told, prices=prices, tasks=told.reduce_tasks, stats=told.reduced,
        memory=told.reduced.memory or spec.memory.reducer, timeout=spec.timeout.reducer,
    )  # fmt: skip
    return [mapper, reducer]


def _memory(phase: _Phase) -> Advice | None:
    """Memory that would have been enough, or faster for the money."""
    stats, memory = phase.stats, phase.memory
    now, paid = phase.seconds, phase.money(phase.seconds)
    if not stats.peak or not stats.memory or not now:  # nobody limits what a task has on this machine
        return None
    if stats.spilled == 0:
        enough = [m for m in _MEMORY if phase.needed <= m < memory and phase.at(m) <= _LONGER * now]
        best = min(enough, key=lambda m: phase.money(phase.at(m), m), default=memory)
        saving = paid - phase.money(phase.at(best), best)
        if saving > _SAVES * paid and saving > _WORTH * phase.told.dollars.total:
            idle = ", and one processor, which 1769 MB have" if memory > FIGURES.one_processor else ""
            why = f"tasks used at most {stats.peak:,} of {memory:,} MB{idle}: {_at_both(phase, best)}"
            return phase.advice(f"memory.{phase.name}", memory, best, saving, why)
    faster = [
        m for m in _MEMORY
        if memory < m <= FIGURES.one_processor  # more helps nobody but DuckDB, and who knows how much
        and phase.at(m) <= _FASTER * now and phase.money(phase.at(m), m) <= _DEARER * paid
    ]  # fmt: skip
    full = stats.peak > _FULL * memory
    if faster:
        quickest = min(phase.at(m) for m in faster)
        best = next(m for m in faster if phase.at(m) <= 1.01 * quickest)
        why = f"{memory:,} MB come with {phase._share(memory):.0%} of a processor: {_at_both(phase, best)}"
    elif full and memory < _MEMORY[-1]:
        best = next((m for m in _MEMORY if m >= phase.needed), _MEMORY[-1])
        why = (
            f"a task that needs more than there is dies, and is paid for three times: {_at_both(phase, best)}"
        )
    else:
        return None
    held = f"tasks used up to {stats.peak:,} of {memory:,} MB; " if full else ""
    spilled = f"; {human_bytes(stats.spilled)} that were spilled may then fit" if stats.spilled else ""
    saving = paid - phase.money(phase.at(best), best)
    return phase.advice(f"memory.{phase.name}", memory, best, saving, held + why + spilled)


def _at_both(phase: _Phase, other: int) -> str:
    """What the time of a phase took and cost, and would with so much memory."""
    now, then = phase.seconds, phase.at(other)
    return (
        f"{human_seconds(now)} cost {human_dollars(phase.money(now))}, with {other:,} MB {human_seconds(then)} would"
        f" cost {human_dollars(phase.money(then, other))}"
    )


def _spilled(phase: _Phase) -> Iterator[Advice]:
    """Smaller tasks, whose pairs fit in memory.

    Nobody measures what spilling takes: a byte that is spilled is taken to cost as much as one of what is written.
    """
    stats, spec, mapper = phase.stats, phase.told.spec, phase.name == "mapper"
    size = stats.bytes_in / phase.tasks
    fits = spec.budget(phase.name) / FIGURES.record_overhead
    smaller = _power(min(size / 2, fits) / MIB)
    if smaller < 1 or (mapper and _whole(phase.told)):
        return
    reading = stats.reading if mapper else 0.0
    handling = max(0.0, stats.seconds - stats.starting - stats.code - reading)
    written = stats.bytes_out + (0 if mapper else stats.bytes_in)
    spent = handling * stats.spilled / (stats.spilled + written)
    more = phase.overhead * (size / (smaller * MIB) - 1)
    saving = phase.money(spent) - more
    if saving <= _WORTH * phase.told.dollars.total:
        return
    doing = "sorting and writing" if mapper else "merging and writing"
    why = (
        f"{human_bytes(stats.spilled)} did not fit in memory and went over the disk, beside {human_bytes(written)} that"
        f" would have in any case: about {human_seconds(spent)} of {human_seconds(handling)} of {doing}, or"
        f" {human_dollars(phase.money(spent))}, less {human_dollars(more)} for starts and requests of more tasks"
    )
    now = spec.split_size if mapper else spec.reduce_size
    setting = "split_size" if mapper else "reduce_size"
    yield phase.advice(setting, _size(now, size), f"{smaller}MiB", saving, why)


def _splits(phase: _Phase, told: Told) -> Iterator[Advice]:
    """Map tasks so small that they mostly start, or so large that they run out of time."""
    if told.spec.split_lines or told.spec.map_tasks:
        return  # somebody has said what a task is
    stats, tasks = phase.stats, phase.tasks
    mean, size = stats.seconds / tasks, stats.bytes_in / tasks
    again = max(0, stats.starts - tasks * (2 if told.small else 1))
    if again > _OUT_OF_TIME * tasks or mean > _LONG * phase.timeout:
        yield from _too_large(phase, told, mean, size, again)
        return
    reads = cost(
        Usage(gets=0.0 if told.small else told.reduced.gets), phase.prices
    )  # of each map task's file
    overhead, work = phase.overhead + reads, phase.money(max(0.0, stats.seconds - stats.starting))
    share = overhead / (overhead + work)
    most = min(tasks / told.runs, _SHORT * phase.timeout / max(mean, 1e-9), _held(phase))
    times = _power(most)
    if share <= _OVERHEAD or times < 2:
        return
    wanted = overhead / work * (1 - _FINE) / _FINE if work else most
    times = min(times, _power_up(wanted))
    saving = overhead * (1 - 1 / times)
    if times < 2 or saving <= _WORTH * told.dollars.total:
        return
    why = (
        f"{count(tasks, 'map task')} of {human_bytes(size)} took {human_seconds(mean)} each; starts, requests and"
        f" invocations are {share:.0%} of what they cost, {human_dollars(overhead)} of"
        f" {human_dollars(overhead + work)}: of {times} times fewer tasks {human_dollars(overhead / times)}"
    )
    larger = f"{_power_up(size * times / MIB)}MiB"
    yield phase.advice("split_size", _size(told.spec.split_size, size), larger, saving, why)


def _whole(told: Told) -> bool:
    """Whether a smaller split would change nothing: objects are not cut, or the job says otherwise how they are."""
    by_number = told.spec.split_lines or told.spec.map_tasks
    return bool(by_number) or any(one.whole or one.reader for one in told.spec.inputs)


def _held(phase: _Phase) -> float:
    """How many times as large a task may be until its records fill their share of memory."""
    base = FIGURES.process / MIB
    return phase.told.spec.budget(phase.name) / MIB / max(1.0, phase.stats.peak - base)


def _too_large(phase: _Phase, told: Told, mean: float, size: float, again: int) -> Iterator[Advice]:
    """Tasks of at most a quarter of their function's time."""
    tasks, wasted = phase.tasks, told.map_wasted
    times = max(2, _power_up(mean / (_SHORT * phase.timeout)))
    smaller = _power(size / times / MIB)
    if smaller < 1 or _whole(told):
        return
    each = phase.overhead / max(phase.stats.starts, 1)
    lost = phase.money(billed(wasted.stats)) + again * each
    more = tasks * (size / (smaller * MIB) - 1) * each
    why = f"{count(tasks, 'map task')} of {human_bytes(size)} took {human_seconds(mean)} each, of"
    why += f" {human_seconds(phase.timeout)} that their function has"
    if again:
        why += f"; they ran out of time {count(again, 'time')}"
    others = wasted.attempts + wasted.lost
    if others:
        why += f"; {count(others, 'attempt')} came to nothing"
    why += (
        f": that cost {human_dollars(lost)}, and starts and requests of more tasks would cost"
        f" {human_dollars(more)}; a task that is lost is then done again in a fraction of the time"
    )
    yield phase.advice("split_size", _size(told.spec.split_size, size), f"{smaller}MiB", lost - more, why)


def _many_runs(work: list[_Phase], told: Told) -> Iterator[Advice]:
    """Many runs of one small task each: what a run takes whatever its size is paid for each file."""
    if told.spec.trigger != "each" or told.runs < _MANY or told.map_tasks > told.runs:
        return
    dollars = told.dollars
    starts = sum(phase.money(phase.starting) for phase in work)
    overhead = starts + dollars.supervision + dollars.requests
    saving = overhead * (1 - 1 / told.runs)
    if overhead <= _OVERHEAD * dollars.total or saving <= _WORTH * dollars.total:
        return
    why = (
        f"{count(told.runs, 'run')} of one map task, of {human_bytes(told.mapped.bytes_in / told.runs)}: starts,"
        f" requests and supervision are {overhead / dollars.total:.0%} of what they cost, {human_dollars(overhead)} of"
        f" {human_dollars(dollars.total)}; of one run over all these files {human_dollars(overhead / told.runs)}"
    )
    yield work[0].advice("trigger", "each", "marker", saving, why)


def _arm64(told: Told, prices: Prices) -> Iterator[Advice]:
    x86_64, arm64 = prices.gb_second["x86_64"], prices.gb_second["arm64"]
    dollars = told.dollars
    time = dollars.map + dollars.exchange + dollars.reduce + dollars.supervision
    saving = time * (1 - arm64 / x86_64)
    if told.spec.architecture == "arm64" or saving <= _WORTH * told.dollars.total:
        return
    why = (
        f"{human_dollars(time)} went into the time of functions, which costs {1 - arm64 / x86_64:.0%} less on arm64, if"
        " the job is as fast there; packages in requirements.txt need wheels for it"
    )
    yield Advice(
        setting="architecture",
        now="x86_64",
        value="arm64",
        saving=saving / told.runs,
        share=saving / told.dollars.total,
        why=why,
    )


def _size(set_: int | None, mean: float) -> str:
    """A size as it was set, or what came of its default."""
    return format_size(set_) if set_ else f"the default, {human_bytes(mean)} a task"


def _power_up(number: float) -> int:
    """The smallest power of two that is not below `number`, from 1 on."""
    return 1 << max(0, (ceil(number) - 1).bit_length())


def _power(number: float) -> int:
    """The largest power of two that is not above `number`; 0 below 1."""
    return 1 << (int(number).bit_length() - 1) if number >= 1 else 0
