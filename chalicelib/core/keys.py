"""Every object key, built and parsed here and nowhere else.

<work>/runs/<job>/<run>/plan.json, plan.done   the plan: inputs, etags, splits, settings; the map tree was begun
<work>/runs/<job>/<run>/map/000042.0.9f3c.run  sorted partitions of task 42, attempt 0, execution 9f3c
<work>/runs/<job>/<run>/map/000042.done        commit marker (conditional)
<work>/runs/<job>/<run>/map/a1000042.done      the same of task 1 000 042: a letter for each digit more
<work>/runs/<job>/<run>/map/000042.1.failed, 000042.1.7b1e.overtaken  what an attempt used that failed, or was too late
<work>/runs/<job>/<run>/map/000042.0.9f3c.next where an attempt out of time goes on
<work>/runs/<job>/<run>/quarantine/map-000042.0.9f3c.jsonl  bad records of task 42
<work>/runs/<job>/<run>/reduce/lease           who supervises; empty once the run has ended
<work>/runs/<job>/<run>/reduce/plan.json       reduce tasks
<work>/runs/<job>/<run>/reduce/index.000000, sums.000000  the shuffle index, in blocks; reduce/index: of old versions
<work>/runs/<job>/<run>/exchange/plan.json, started, index.000000, sums.000000, 00007.done, 00007.0.7b1e.run  as ever
<work>/runs/<job>/<run>/reduce/started         the reduce tree's root was invoked
<work>/runs/<job>/<run>/reduce/00007.0.7b1e.next, .piece  an attempt out of time, and what it wrote
<work>/runs/<job>/<run>/reduce/00007.done      commit marker (conditional)
<work>/runs/<job>/<run>/run.done, told         the verdict, success or failure, once and for all; notices of it are out
<work>/runs/<job>/<run>/plan.silent, map/000000.silent, reduce/00000.silent  a small run's plan.done and its markers
<work>/runs/<job>/<run>/log/3.jsonl             what a worker of the local engine logged; on AWS there is none
<work>/runs/<job>/<run>/step-1/..., step-1/input/part-00007.pairs  the same of the second step, and what it is given
<work>/seats/<job>/3                           a lease: one of the supervisors of the job that may wait
<work>/totals/<job>/pointer.json               with `accumulate`: which states are the totals (conditional)
<work>/totals/<job>/waiting/<run>.json, merged/<run>  a run's states that are not merged yet; in which generation
<work>/totals/<job>/turn                       a lease: whose turn it is to merge
<work>/totals/<job>/states/0000000012.<run>.3/part-00007.pairs  what step 3 of a run made to be generation 12
<output>/_totals.json, _latest.json            the results that have all files in them; the newest whole result
<output>/<run>/part-00007.tsv                  results; in a local folder <output> alone
<output>/<run>/country=DE/part-00007.tsv       the same with `output.by: country`
<output>/<run>/_manifest.json, _SUCCESS | _FAILED
<output>/_quarantine/<run>/[step-1/]map-000042.0.9f3c.jsonl  bad records in a local folder, without a work place
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote

from msgspec import Struct

from .ports import Loc

Phase = Literal["map", "exchange", "reduce"]
PHASES: tuple[Phase, ...] = ("map", "exchange", "reduce")

RUNS = "runs/"
#: What a marker's name ends in: S3 wakes a supervisor for the first ending, and nobody for the other.
DONE, SILENT = ".done", ".silent"
FAILED, OVERTAKEN, CONTINUED = ".failed", ".overtaken", ".next"
PLAN, PLAN_DONE, PLAN_SILENT = "plan.json", f"plan{DONE}", f"plan{SILENT}"
RUN_DONE, TOLD = "run.done", "told"
LEASE = "reduce/lease"
SUCCESS, FAILURE = "_SUCCESS", "_FAILED"
MANIFEST, TOTALS, LATEST = "_manifest.json", "_totals.json", "_latest.json"
#: What stands in a folder's name for nothing, as in Hive.
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

# Patterns are compiled at their first use: a function that starts needs few of them.
# A job or a folder may itself be called `runs`: a folder of a run is never taken for the run's id.
_RUN_KEY = (
    r"(?:.*/)?runs/(?P<job>[A-Za-z0-9_-]+)/"
    r"(?!(?:map|exchange|reduce|quarantine|input|step-\d+)/)(?P<run>[A-Za-z0-9._-]+)/"
    r"(?P<step>step-(?P<number>[1-9]\d{0,5})/)?(?P<rest>.+)$")  # fmt: skip
_MARKER = r"(?P<task>\d+)\.(?:done|silent)$"
_FAILURE = r"(?P<task>\d+)\.(?P<attempt>\d+)\.failed$"
_OVERTAKEN = r"(?P<task>\d+)\.(?P<attempt>\d+)\.(?P<token>[A-Za-z0-9]+)\.overtaken$"
_CONTINUATION = r"(?P<task>\d+)\.(?P<attempt>\d+)\.(?P<token>[A-Za-z0-9]+)\.next$"
_QUARANTINED = r"(?P<phase>map|reduce)-[a-z]?(?P<task>\d+)\.(?P<attempt>\d+)\.[A-Za-z0-9]+\.jsonl$"
_GENERATION = r"/states/(?P<number>\d{10,})\.[^/]+/[^/]+$"
_QUARANTINE = "quarantine/"
#: In a local folder of results, what was set aside.
SET_ASIDE = "_quarantine/"
_PART = r"(?:[^/=]+=[^/]*/)*part-\d{5,}\.[^/]+"
_SET_ASIDE = SET_ASIDE + r"[A-Za-z0-9][A-Za-z0-9._-]*/(?:step-[1-9]\d{0,5}/)?" + _QUARANTINED[:-1]
_STEP = "step-"

#: Digits of a task's number in its keys, so that listings come in task order; see `_numbered` for longer ones.
_WIDTH: dict[Phase, int] = {"map": 6, "exchange": 5, "reduce": 5}


def _numbered(phase: Phase, task: int) -> str:
    """A task's number as its keys have it. One of more digits than usual begins with a letter that says how many more.

    So the order of keys is that of numbers whatever the length: `999999`, `a1000000`, `a9999999`, `b10000000`.
    """
    digits = f"{task:0{_WIDTH[phase]}d}"
    more = len(digits) - _WIDTH[phase]
    return chr(ord("a") + more - 1) + digits if more else digits


class RunKeys(Struct, frozen=True, eq=False):
    """The places of the objects of one step of a run. `work` is the work prefix, ending in `/` or empty."""

    work: Loc
    job: str
    run: str
    #: Steps count from 0; the first one's objects lie where those of a run of one step do.
    step: int = 0
    #: As in `Plan`; only names of markers depend on it.
    small: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunKeys) and self.root == other.root

    def __ne__(self, other: object) -> bool:  # Struct has one of its own, which looks for the same object
        return not self == other

    def __hash__(self) -> int:
        return self.root.__hash__()

    @property
    def run_root(self) -> Loc:
        """The prefix of all of the run's objects, whatever their step."""
        return self.work.child(f"{RUNS}{self.job}/{self.run}/")

    @property
    def root(self) -> Loc:
        """The prefix of the step's objects; for the first step, that of the whole run."""
        return self.run_root.child(f"{_STEP}{self.step}/") if self.step else self.run_root

    def at(self, step: int) -> RunKeys:
        """The same run at another step."""
        return RunKeys(self.work, self.job, self.run, step, self.small)

    @property
    def later_steps(self) -> Loc:
        """The prefix of the objects of all steps after the first."""
        return self.run_root.child(_STEP)

    def results(self, output: Loc, *, last: bool) -> Loc:
        """Where the step's parts go: the run's results, or the input of the next step."""
        return output if last else self.at(self.step + 1).input

    @property
    def input(self) -> Loc:
        """The prefix of what the step before passes on to this one."""
        return self.root.child("input/")

    def log(self, worker: int | Literal["*"]) -> Loc:
        """What a worker of the local engine logs to, in all steps of the run; with `*` a pattern for all of them."""
        return self.run_root.child(f"log/{worker}.jsonl")

    @property
    def plan(self) -> Loc:
        return self.root.child(PLAN)

    @property
    def plan_done(self) -> Loc:
        return self.root.child(PLAN_SILENT if self.small else PLAN_DONE)

    @property
    def run_done(self) -> Loc:
        return self.root.child(RUN_DONE)

    @property
    def told(self) -> Loc:
        return self.run_root.child(TOLD)

    @property
    def lease(self) -> Loc:
        return self.root.child(LEASE)

    @property
    def all_seats(self) -> Loc:
        """The prefix of the seats of the job; not of the run."""
        return self.work.child(f"seats/{self.job}/")

    def seat(self, number: int) -> Loc:
        return self.all_seats.child(str(number))

    @property
    def reduce_plan(self) -> Loc:
        return self.root.child("reduce/plan.json")

    @property
    def reduce_started(self) -> Loc:
        return self.root.child("reduce/started")

    @property
    def exchange_plan(self) -> Loc:
        return self.root.child("exchange/plan.json")

    @property
    def exchange_started(self) -> Loc:
        return self.root.child("exchange/started")

    @property
    def reduce_index(self) -> Loc:
        """The whole shuffle index, as earlier versions wrote it."""
        return self.root.child("reduce/index")

    def index_block(self, number: int, phase: Phase = "reduce") -> Loc:
        return self.phase(phase).child(f"index.{number:06d}")

    def sums(self, number: int, phase: Phase = "reduce") -> Loc:
        """What goes with a block (or a group's blocks) of an index: whoever finds it need not read its markers."""
        return self.phase(phase).child(f"sums.{number:06d}")

    def phase(self, phase: Phase) -> Loc:
        """The prefix under which the markers of a phase are counted."""
        return self.root.child(f"{phase}/")

    def done(self, phase: Phase, task: int) -> Loc:
        return self.phase(phase).child(f"{_numbered(phase, task)}{SILENT if self.small else DONE}")

    def failed(self, phase: Phase, task: int, attempt: int) -> Loc:
        return self.phase(phase).child(f"{_numbered(phase, task)}.{attempt}{FAILED}")

    def words(self, phase: Phase, task: int) -> Loc:
        """The prefix of what attempts of a task leave, its marker included."""
        return self.phase(phase).child(f"{_numbered(phase, task)}.")

    def overtaken(self, phase: Phase, task: int, attempt: int, token: str) -> Loc:
        """Where an execution of an attempt says what it used whose task another one has committed."""
        return self.phase(phase).child(f"{_numbered(phase, task)}.{attempt}.{token}{OVERTAKEN}")

    def continuation(self, phase: Phase, task: int, attempt: int, token: str) -> Loc:
        """Where an attempt that ran out of time leaves what its next invocation must know."""
        return self.phase(phase).child(f"{_numbered(phase, task)}.{attempt}.{token}{CONTINUED}")

    def piece(self, task: int, attempt: int, token: str) -> Loc:
        """A stretch of a part, of an attempt that ran out of time."""
        return self.phase("reduce").child(f"{_numbered('reduce', task)}.{attempt}.{token}.piece")

    def quarantine(self, phase: Phase, task: int, attempt: int, token: str) -> Loc:
        """The bad records that one attempt set aside."""
        return self.quarantined.child(f"{phase}-{_numbered(phase, task)}.{attempt}.{token}.jsonl")

    @property
    def quarantined(self) -> Loc:
        """The prefix of all that was set aside."""
        return self.root.child(_QUARANTINE)

    def run_file(self, task: int, attempt: int, token: str, phase: Phase = "map") -> Loc:
        return self.phase(phase).child(f"{_numbered(phase, task)}.{attempt}.{token}.run")


class TotalsKeys(Struct, frozen=True):
    """The places of what a job with `accumulate` keeps from run to run. `work` as in `RunKeys`."""

    work: Loc
    job: str

    @property
    def root(self) -> Loc:
        return self.work.child(f"totals/{self.job}/")

    @property
    def pointer(self) -> Loc:
        return self.root.child("pointer.json")

    @property
    def turn(self) -> Loc:
        return self.root.child("turn")

    @property
    def all_waiting(self) -> Loc:
        """The prefix of `waiting`."""
        return self.root.child("waiting/")

    def waiting(self, run: str) -> Loc:
        return self.all_waiting.child(f"{run}.json")

    def merged(self, run: str) -> Loc:
        return self.root.child(f"merged/{run}")

    @property
    def all_states(self) -> Loc:
        """The prefix of all generations."""
        return self.root.child("states/")

    def states(self, generation: int, run: str, step: int) -> Loc:
        """The prefix of what one merge writes, to be that generation."""
        return self.all_states.child(f"{generation:010d}.{run}.{step}/")


def parse_waiting(key: str) -> str | None:
    """The run that waits."""
    folder, _, name = key.rpartition("/")
    return name.removesuffix(".json") if folder.endswith("/waiting") and name.endswith(".json") else None


def parse_generation(key: str) -> int | None:
    """The generation that an object under `TotalsKeys.all_states` was made for."""
    found = re.search(_GENERATION, key)
    return int(found["number"]) if found else None


def totals_shown(output: Loc, run: str, name: str = TOTALS) -> Loc:
    """Beside the results of all runs, of which `output` has those of `run`; in a local folder among them."""
    return Loc(output.bucket, output.key.removesuffix(f"{run}/")).child(name)


def results_place(output: Loc, run: str) -> Loc:
    """Where a run's results are under its job's output place."""
    return output.child(f"{run}/")


def runs_prefix(work: Loc, job: str = "") -> Loc:
    """The prefix of all runs of `job`, or of all jobs."""
    return work.child(f"{RUNS}{job}/" if job else RUNS)


def is_hidden(name: str) -> bool:
    """Whether what has this name below an input place, or below what was named as input, is never input itself.

    Names that begin with `_` or `.` are hidden, and all that is in a folder with such a name. A folder of results by
    a column, `_name=value/`, is not, for its name is the column's; nor are `.` and `..`, which S3 allows in keys.
    """
    *folders, base = name.split("/")
    return base.startswith(("_", ".")) or any(
        folder[:1] in (".", "_") and folder not in (".", "..") and not (folder[0] == "_" and "=" in folder)
        for folder in folders
    )


def parse_run_key(bucket: str, key: str) -> tuple[RunKeys, str] | None:
    """The step of a run that a work object belongs to, and its key within it; None if it is not one of ours."""
    found = re.match(_RUN_KEY, key)
    if not found:
        return None
    tail = f"{RUNS}{found['job']}/{found['run']}/{found['step'] or ''}{found['rest']}"
    work = Loc(bucket, key[: -len(tail)])
    return RunKeys(work, found["job"], found["run"], int(found["number"] or 0)), found["rest"]


def parse_done(key: str) -> int | None:
    """The task whose marker `key` is."""
    found = re.search(_MARKER, key.rpartition("/")[2])
    return int(found["task"]) if found else None


def parse_failed(key: str) -> tuple[int, int] | None:
    """(task, attempt) of a failure marker."""
    found = re.search(_FAILURE, key.rpartition("/")[2])
    return (int(found["task"]), int(found["attempt"])) if found else None


def parse_overtaken(key: str) -> tuple[int, int] | None:
    """(task, attempt) of the word that an overtaken attempt left."""
    found = re.search(_OVERTAKEN, key.rpartition("/")[2])
    return (int(found["task"]), int(found["attempt"])) if found else None


def parse_continuation(key: str) -> tuple[int, str] | None:
    """(task, token) of the object that an attempt out of time left."""
    found = re.search(_CONTINUATION, key.rpartition("/")[2])
    return (int(found["task"]), found["token"]) if found else None


def parse_quarantined(key: str) -> tuple[Phase, int] | None:
    """(phase, task) of the bad records that one attempt set aside."""
    found = re.search(_QUARANTINED, key.rpartition("/")[2])
    return ("map" if found["phase"] == "map" else "reduce", int(found["task"])) if found else None


def set_aside(keys: RunKeys, key: str) -> str:
    """Where in a local folder of results the bad records are kept that a run has at `key` of its work place."""
    return f"{SET_ASIDE}{keys.run}/{key.removeprefix(keys.run_root.key).replace(_QUARANTINE, '', 1)}"


def is_part(name: str) -> bool:
    """Whether a name in a local folder of results is that of a part."""
    return bool(re.fullmatch(_PART, name))


def is_result(name: str) -> bool:
    """Whether a name in a local folder of results is one that we give: a part, bad records, a marker."""
    return name in (MANIFEST, SUCCESS, FAILURE, TOTALS) or bool(re.fullmatch(f"{_PART}|{_SET_ASIDE}", name))


class OutputKeys(Struct, frozen=True):
    """The places of one run's results under `prefix` (which ends in `/`, or is empty)."""

    prefix: Loc

    def part(self, number: int, extension: str) -> Loc:
        return self.prefix.child(f"part-{number:05d}.{extension}")

    def folder(self, name: str, value: str | None) -> OutputKeys:
        """Where the parts lie whose rows have `value` in the column `name`; both are encoded as in URLs."""
        text = NO_VALUE if value is None else quote(value, safe="")
        return OutputKeys(self.prefix.child(f"{quote(name, safe='')}={text}/"))

    @property
    def ends(self) -> Loc:
        """The prefix of `success` and `failure`."""
        return self.prefix.child("_")

    @property
    def manifest(self) -> Loc:
        return self.prefix.child(MANIFEST)

    @property
    def success(self) -> Loc:
        return self.prefix.child(SUCCESS)

    @property
    def failure(self) -> Loc:
        return self.prefix.child(FAILURE)
