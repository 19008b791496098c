"""What is told of a run: the fields of `scripts/status.py --json`, each documented."""

from __future__ import annotations

from typing import Literal

from ...core.messages import Message, Stats, Wasted
from ...core.plan import LoopDone
from ...core.tasks import Failure

RunPhase = Literal[
    "planning", "mapping", "shuffling", "exchanging", "reducing", "finishing", "succeeded", "failed"
]
ENDED = frozenset(("succeeded", "failed"))


class PhaseStatus(Message, frozen=True, kw_only=True):
    """How far a phase has come."""

    #: Distinct tasks committed; None if the markers are gone and nothing else tells.
    done: int | None
    #: Tasks there are; None while that is not decided.
    total: int | None
    #: Distinct (task, attempt) that failed.
    failed_attempts: int
    #: What the tasks read, wrote and used, summed over `measured` of the `done` tasks.
    stats: Stats
    measured: int
    #: What other attempts used, of all steps: those that failed, that another was faster than, or that are lost.
    wasted: Wasted = Wasted()


class Dollars(Message, frozen=True, kw_only=True):
    """Estimated US dollars of a run by part; the parts add up to its cost."""

    #: The time of the functions that did the tasks, starts of new processes included.
    map: float = 0.0
    exchange: float = 0.0
    reduce: float = 0.0
    #: The time of coordinator and supervisors, which nobody measures.
    supervision: float = 0.0
    #: Invocations, and requests of S3.
    requests: float = 0.0
    #: Time and requests of attempts that do not count: they failed, or another was faster.
    wasted: float = 0.0

    @property
    def total(self) -> float:
        return self.map + self.exchange + self.reduce + self.supervision + self.requests + self.wasted


class RunStatus(Message, frozen=True, kw_only=True):
    """One run at one moment. These fields are the JSON of `scripts/status.py --json`.

    Sizes are bytes, times seconds since the epoch, `elapsed` and `idle` seconds.
    """

    job: str
    run: str
    phase: RunPhase
    #: Where the run's own objects are, and its results; `output` is "" while unknown.
    work: str
    output: str
    #: What names the results that have all files in them, of a job with `accumulate`; else "".
    totals: str = ""
    #: URL of the object that started the run; "" while unknown.
    source: str = ""
    #: Which step of how many is under way, or was the last, from 1.
    step: int = 1
    steps: int = 1
    #: Of a step that is done in rounds: which round, from 1, of how many at most. Else 0.
    round: int = 0
    rounds: int = 0
    #: The loops that have ended: how many rounds each took, and whether it has converged.
    loops: tuple[LoopDone, ...] = ()
    #: Of the step that is under way; of a run that has succeeded, all steps together.
    map: PhaseStatus
    reduce: PhaseStatus
    #: Of a run whose shuffle has two levels.
    exchange: PhaseStatus | None = None
    partitions: int | None = None
    inputs: int | None = None
    input_bytes: int | None = None
    #: Records and bytes of the results; None before the run has succeeded.
    output_records: int | None = None
    output_bytes: int | None = None
    parts: int | None = None
    attempts_failed: int
    #: Bad records set aside so far, as far as markers were read.
    bad: int
    #: Map tasks that failed and are left out so far (`limits.failed_tasks`), as far as markers were read.
    left_out: int = 0
    #: What the job's own code counted, by name; of a run under way, as far as markers were read.
    counters: dict[str, int]
    #: Invocations that ran out of time and went on in a fresh one.
    continued: int
    #: Why the run failed; "" otherwise.
    reason: str = ""
    #: Failed attempts, with the user's traceback in `detail`; not more than were asked for.
    failures: tuple[Failure, ...]
    started: float | None = None
    finished: float | None = None
    elapsed: float | None = None
    #: Seconds since the run last wrote an object to the work place; None when it has ended.
    idle: float | None = None
    #: Estimated US dollars on AWS so far, by the table in `price_list`; None while unknown. Of a run whose plan is gone
    #: by its manifest, and the settings that the job has now.
    cost: float | None = None
    #: The same by part.
    cost_parts: Dollars | None = None
    #: The region whose list prices these are; "" while the cost is unknown. Another than `region` where its prices
    #: are not in the list, or where that is "", as nobody said where the functions are.
    cost_region: str = ""
    region: str = ""
    #: How much of it went into attempts that do not count.
    cost_wasted: float | None = None
    #: The most that lost attempts, which leave nothing to tell what they used, can have cost beside that.
    cost_lost: float | None = None
    #: The run's plan is gone (the work place's lifecycle rule): this is what is left to know.
    expired: bool = False

    @property
    def ended(self) -> bool:
        return self.phase in ENDED

    @property
    def place(self) -> str:
        """The step that it is at, or was, as people are told: nothing of a job of one step."""
        nth = f", round {self.round} of at most {self.rounds}" if self.round else ""
        return f"step {self.step} of {self.steps}{nth}" if self.steps > 1 else ""
