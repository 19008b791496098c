"""The messages of a plan: splits, and everything about one step of a run but its tasks.

`plan_file` says how they lie in plan.json. What a step does is its `Plan.role`; which of the run's steps it is and
which of the job's steps it does are two counts: with `accumulate` a run may have to merge more than once, and a loop
does some of the job's steps in rounds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field
from msgspec.structs import replace

from .keys import RunKeys, TotalsKeys
from .messages import Count, Message, Stats, Wasted
from .ports import Loc
from .spec import BadRecordsSpec, InputSpec, JobSpec, OutputSpec
from .totals import TotalsPlan

#: What a step is there for. Only jobs with `accumulate` have steps that do anything but the job's own work.
#:
#:     work     one of the job's own steps
#:     states   the last of them: writes states, which then wait to be merged with the totals
#:     merge    makes one state a key of the totals and of the states that wait
#:     render   makes results of the totals, or sorts them
Role = Literal["work", "states", "merge", "render"]


class Split(Message, frozen=True, kw_only=True, array_like=True):
    """Half-open byte range `[start, stop)` of one object of `size` bytes with this etag."""

    bucket: str
    key: str
    etag: str
    start: Count
    stop: Count
    size: Count
    #: Typed pairs: how many pairs behind `start` are done already.
    skip: Count = 0
    #: Which of the job's inputs it is of, if they have tags.
    tag: str = ""

    @property
    def loc(self) -> Loc:
        return Loc(self.bucket, self.key)


class Column(Message, frozen=True, kw_only=True, array_like=True):
    """A list of keys as `codec` writes it."""

    shape: Count
    body: bytes


class SqlInput(Message, frozen=True, kw_only=True):
    """Names and types of the columns of one of several inputs of a SQL job, and of what its map query gives."""

    input: tuple[tuple[str, str], ...]
    mapped: tuple[tuple[str, str], ...]


class SqlTables(Message, frozen=True, kw_only=True):
    """Names and types of the columns of a SQL job's tables: what every task must agree on."""

    #: Of the one input; nothing if there are several.
    input: tuple[tuple[str, str], ...]
    shuffled: tuple[tuple[str, str], ...]
    #: Of several inputs, by tag. Their rows are shuffled in one table, with columns of its own for each.
    tagged: dict[str, SqlInput] = field(default_factory=dict)

    @property
    def mapped(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """The columns of what the map queries of several inputs give, by tag."""
        return {tag: given.mapped for tag, given in self.tagged.items()}

    def columns_of(self, tag: str) -> tuple[tuple[str, str], ...]:
        """The columns of the table `input` over the records of one input."""
        return self.tagged[tag].input if tag else self.input


class StepDone(Message, frozen=True, kw_only=True):
    """What one step did, as far as that is the same on every engine and however the input was cut."""

    #: Records that its mappers read, and pairs that it gave.
    records_in: Count
    records_out: Count
    counters: dict[str, int] = field(default_factory=dict)
    #: Which of the job's steps it did, from 0.
    job_step: Count = 0
    #: The objects of its result, as names (below what the next step reads) and bytes, in order, for those who want to
    #: read it as a whole; None if there are more than every task's plan can list.
    parts: tuple[tuple[str, Count], ...] | None = ()


class LeftOut(Message, frozen=True, kw_only=True):
    """A map task that failed for good and was left out: nothing that it would have read is in any result."""

    #: The step of the run, from 0, the task, and its last attempt.
    step: Count = 0
    task: Count
    attempt: Count
    #: Why, in one line.
    message: str
    #: Objects that it would have read, or parts of them, and bytes of these.
    objects: Count
    bytes: Count
    #: The first of these objects, as `s3://bucket/key[start:stop]`.
    inputs: tuple[str, ...]


class LoopDone(Message, frozen=True, kw_only=True):
    """How a loop of a job's steps ended."""

    #: The class that has `rounds`.
    name: str
    rounds: Count
    #: None: its class does not say when it has converged, so that it always does all its rounds.
    converged: bool | None = None

    @property
    def told(self) -> str:
        """How it ended, as people are told."""
        how = (
            "" if self.converged is None else "converged after " if self.converged else "not converged after "
        )
        return f"{how}{self.rounds} round{'' if self.rounds == 1 else 's'}"


class Earlier(Message, frozen=True, kw_only=True):
    """What the steps before this one did, all together: what the manifest will tell."""

    inputs: Count
    bytes: Count
    map_tasks: Count
    reduce_tasks: Count
    mapped: Stats
    reduced: Stats
    map_wasted: Wasted = Wasted()
    reduce_wasted: Wasted = Wasted()
    exchange_tasks: Count = 0
    exchanged: Stats = Stats()
    exchange_wasted: Wasted = Wasted()
    counters: dict[str, int] = field(default_factory=dict)
    bad: Count = 0
    quarantine: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    started: float
    finished: float
    #: Each step by itself, for the user's code; none of those that earlier versions did.
    steps: tuple[StepDone, ...] = ()
    #: The loops that have ended, in order.
    loops: tuple[LoopDone, ...] = ()


class Plan(Message, frozen=True, kw_only=True):
    """The head of plan.json: everything about one step of a run but its tasks, which follow page by page.

    A run may be begun by one version of Sluice and finished by the next, so the names in the JSON stay as they are:
    `nth` is `job_step` here, and `own_steps` is `merge_step`.
    """

    job: str
    run: str
    #: Which coordinator execution wrote it.
    token: str
    #: URL of the object whose event started the run.
    source: str
    #: Bytes of the head line in plan.json (padded); the tasks start there.
    head: Count
    spec: JobSpec
    work: Loc
    #: The run's results; what a step passes on to the next is elsewhere, see `results`.
    output: Loc
    #: Which of the run's steps this is, from 0, as in `RunKeys.step`.
    step: Count = 0
    #: How many steps the job has.
    steps: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    #: Which of the job's steps it does, from 0. Behind `step` once a merge had to be done again,
    #: or a loop is in its second round.
    job_step: Count = field(default=0, name="nth")
    #: With `accumulate`: which of the job's steps merges with the totals. Else 0: no job begins with a merge.
    merge_step: Count = field(default=0, name="own_steps")
    #: Some of the job's steps are done in rounds, so that nobody knows how many the run will come to.
    loops: bool = False
    #: Of a step that is done in rounds: which round this is, from 1, and of how many at most. Else 0.
    round: Count = 0
    rounds: Count = 0
    #: What the totals were when a merge or a rendering was planned.
    totals: TotalsPlan | None = None
    #: Each map task writes a part, and there is no reduce phase.
    map_only: bool = False
    earlier: Earlier | None = None
    partitions: Count
    #: Reduce tasks worth having even if their data would fit in fewer (the local engine's workers).
    reducers: Count = 1
    tasks: Count
    #: Tasks in a page, and the byte offsets after the head where each page starts (and the last ends).
    page: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
    pages: tuple[Count, ...]
    inputs: Count
    bytes: Count
    #: Bounds between partitions for a job in total order, as a column of keys.
    bounds: Column | None = None
    #: Only of a job in SQL.
    sql: SqlTables | None = None
    #: Side files that are objects: what `files` in the job file says, and the etag when the run was planned.
    files: dict[str, str] = field(default_factory=dict)
    created: float
    #: Digest of the job's code and Sluice's version, and the Python: whoever works on the run compares it, see
    #: `job.code_digest`.
    code: str
    #: How many runs, one started by the results of the other, led to this one.
    chain: Count = 0
    #: Written over the plan of a run that was stopped: whoever reads it need not begin. All else in it stays.
    stopped: bool = False
    #: The mapper of the only map task brings the run to its end, so that its markers need wake nobody.
    small: bool = False
    #: There may be a second level of shuffle: whoever looks for the reduce plan looks for the exchange plan first.
    exchange: bool = False

    @property
    def accumulates(self) -> bool:
        """The job keeps totals from run to run."""
        return self.merge_step > 0

    @property
    def begun(self) -> float:
        """When the run began."""
        return self.earlier.started if self.earlier else self.created

    @property
    def repeats(self) -> bool:
        """The run may come to more steps than the job has."""
        return self.accumulates or self.loops

    @property
    def role(self) -> Role:
        """What this step is there for."""
        if not self.accumulates or self.job_step < self.merge_step - 1:
            return "work"
        if self.job_step < self.merge_step:
            return "states"
        return "merge" if self.job_step == self.merge_step else "render"

    @property
    def may_fail(self) -> int:
        """How many map tasks of the step may fail for good, and be left out: by the job's limit, and never all.

        None of a job with totals, which would lack them for ever, nor where map tasks write results themselves: what an
        attempt wrote before it failed would lie there.
        """
        if self.accumulates or self.map_only or not self.tasks:
            return 0
        limit = self.spec.limits.failed_tasks
        most = limit if isinstance(limit, int) else int(limit * self.tasks + 1e-6)
        return min(most, self.tasks - 1)

    @property
    def last_step(self) -> bool:
        """The job has no step after this one: it writes the run's results."""
        return self.job_step + 1 >= self.steps

    @property
    def results(self) -> Loc:
        """Where its parts go: the run's results, the totals, or the input of the next step."""
        if self.role == "merge" and self.totals:
            return TotalsKeys(self.work, self.job).states(self.totals.generation, self.run, self.step)
        return RunKeys(self.work, self.job, self.run, self.step).results(self.output, last=self.last_step)

    @property
    def mark(self) -> str:
        """What its results carry, so that whoever is woken by them knows how long the chain is."""
        return f"{self.job}/{self.run}/{self.chain + 1}"

    @property
    def own_spec(self) -> JobSpec:
        """The step's own configuration: what goes from one step to the next is typed pairs."""
        spec = self.spec
        if self.step:
            spec = replace(spec, input=InputSpec(url=spec.input.url, format="pairs"), more_inputs=())
        if not self.last_step:
            pairs = OutputSpec(url=spec.output.url, format="pairs", sorted=spec.output.sorted)
            spec = replace(spec, output=pairs)
        if self.role == "merge":  # a state set aside would be missing from the totals
            spec = replace(spec, bad_records=BadRecordsSpec())
        return spec

    @property
    def where(self) -> str:
        """The step as messages name it, with a colon; nothing for a job of one step."""
        nth = f", round {self.round} of at most {self.rounds}" if self.round else ""
        return f"step {self.job_step + 1} of {self.steps}{nth}: " if self.steps > 1 else ""

    def keys(self, keys: RunKeys) -> RunKeys:
        """`keys`, which are those of this step, with what the plan alone knows: how its markers are called."""
        return RunKeys(keys.work, keys.job, keys.run, keys.step, self.small)

    def next_step(self, job_step: int, earlier: Earlier | None, nth_round: int = 0, rounds: int = 0) -> Plan:
        """The run's next step, which does `job_step` of the job, before anything is known of its input."""
        return replace(
            self,
            step=self.step + 1,
            job_step=job_step,
            round=nth_round,
            rounds=rounds,
            earlier=earlier,
            tasks=0,
            small=False,
            exchange=False,
        )


def chain_of(mark: str) -> int:
    """How many runs led to an object with this mark; 0 for one that no run wrote, or with a mark of another kind."""
    job, _, rest = mark.partition("/")
    run, _, number = rest.partition("/")
    return int(number) if job and run and number.isascii() and number.isdigit() and len(number) < 10 else 0
