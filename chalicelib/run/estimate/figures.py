"""Every number that an estimate assumes, with its source and date. Change them here, and nowhere else.

[P] docs/performance.md, measured 2026-11-21 on this project's code, two cores of an AMD EPYC. [M] this code against a
store that answers at once, by processor time and by the operating system's peak memory, 2026-11. [L] AWS Lambda
Developer Guide, read 2026-11. [S] Amazon S3 User Guide, read 2026-11. [O] others' measurements of Lambda, not ours.
[A] assumed, for want of a published figure. Nothing was measured on AWS.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.spec import MIB


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Times in seconds, sizes in bytes, rates per second."""

    # -- Lambda -------------------------------------------------------------------------------------------------

    #: From PUT to the invocation: S3's event, and the same of one in twenty ("half a second to one" [P], tail [A]).
    event: float = 0.6
    event_late: float = 1.0
    #: From Invoke to the function's start [A], and a new environment: imports 0.28 s of a whole processor [P], the
    #: rest is process and zip [A].
    dispatch: float = 0.06
    cold_start: float = 0.6
    #: A function's environments: so many at once, so many more a second ("1 000 every 10 seconds") [L].
    ramp_burst: int = 1000
    ramp_rate: float = 100.0
    #: A throttled event is tried again after 1 s, then twice as long, up to 5 minutes [L]: the last of many waits this
    #: share of the longest pause that it has come to, in vain; found by the simulated cloud (docs/scale.md), 2026-11.
    longest_pause: float = 300.0
    pause_share: float = 0.6
    #: MB of memory that come with one processor [L]. Python's tasks use one.
    one_processor: int = 1769
    #: Bytes a second between S3 and one function: 400 to 700 Mbit/s are reported [O].
    throughput: float = 70e6
    #: Local disk of a function [L], which the deployment leaves as it is.
    disk: int = 512 * MIB
    #: Spread of a task's time among equal tasks: the standard deviation of its logarithm [A].
    spread: float = 0.15
    #: A straggler gets a second attempt, and costs so many medians at most (docs/design.md).
    straggler: float = 2.5

    # -- S3 -----------------------------------------------------------------------------------------------------

    #: One request: "taken as 20 to 40 ms" [P]; a page of a LIST takes twice that [A].
    request: float = 0.030
    list_page: float = 0.060
    page_rows: int = 1000
    #: GETs a second of one prefix that S3 has not split yet [S]; all run files of a run are under one.
    prefix_gets: float = 5500.0
    #: As in `stores.s3`: reads under way at once, and bytes of one read of an input.
    parallel_reads: int = 4
    piece: int = 8 * MIB

    # -- our own code, in seconds of a whole processor ----------------------------------------------------------------

    #: A request: 1.4 to 1.8 ms [M]. A page of 1 000 rows: 85 ms [M].
    request_work: float = 0.0015
    page_work: float = 0.085
    #: A marker event that finds a live lease, at 256 MB, as billed [M].
    event_billed: float = 0.077
    #: The shuffle's index: for each map task and partition, and for each map task and reduce task: 3.5 s at 1 500 x
    #: 4 096 with one reduce task, 6.0 s at 1 500 x 2 048 with 2 048 [M].
    offset_work: float = 0.5e-6
    slice_work: float = 1.3e-6
    #: Planning, for each object or split beyond its row in the listing: 36 of 390 s at a million and 512 MB [M].
    planned_work: float = 36e-6 * 512 / 1769

    # -- memory -------------------------------------------------------------------------------------------------------

    #: A process with its libraries [M]; a map task's offset for each partition, and its slice for each reduce task: 296
    #: MiB at 1 500 x 4 096 with one reduce task, 594 MiB at 1 500 x 2 048 with 2 048 [M].
    process: int = 60 * MIB
    offset: int = 50
    slice: int = 145
    #: An object or split in the coordinator: 890 MiB at a million [M].
    planned: int = 870
    #: A task's records in memory, for each byte of input, before they are spilled [A: Python's objects].
    record_overhead: float = 6.0

    # -- the protocol -------------------------------------------------------------------------------------------------

    #: As in `run.calls`, `functions.supervision.pacing` and `core.keys`: children of a node, seconds between two looks
    #: at most, and tasks beyond which listings are out of order.
    fan_out: int = 32
    longest_look: float = 5.0
    most_tasks: int = 1_000_000
    #: What a supervisor keeps of its time to hand over.
    reserve: float = 20.0

    def share(self, memory: int) -> float:
        """Of a processor, for one thread of a function of `memory` MB."""
        return min(1.0, memory / self.one_processor)


FIGURES = Figures()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast one processor does a kind of work, in MB (10^6 bytes) of the run's input a second, map and reduce.

    `shuffled`: bytes of run files for each byte of input.
    """

    map: float
    reduce: float
    shuffled: float


#: The work of docs/performance.md, by what it is and how the job is written. MB of input over processor seconds: the
#: whole less 0.2 s for the start, on two processors [P], shared out as markers of a run over 64 MiB have it: six
#: sevenths map for words per record, seven tenths for many groups, two thirds for a sort [M]. `shuffled` is of the same
#: runs, 64 MiB a task; of a sort it hangs on how well records compress: 0.24 for those of the benchmark, 0.44 for less
#: regular ones.
PACES: dict[str, dict[str, Pace]] = {
    "few groups": {  # W2, TPC-H Q1
        "record": Pace(map=59, reduce=1e5, shuffled=5e-6),
        "chunk": Pace(map=90, reduce=1e5, shuffled=5e-6),
        "sql": Pace(map=237, reduce=1e5, shuffled=6e-5),
    },
    "filter": {  # W3, TPC-H Q6
        "record": Pace(map=229, reduce=1e5, shuffled=1e-6),
        "chunk": Pace(map=255, reduce=1e5, shuffled=1e-6),
        "sql": Pace(map=281, reduce=1e5, shuffled=3e-6),
    },
    "many groups": {  # W4, AMPLab aggregation
        "record": Pace(map=114, reduce=267, shuffled=0.045),
        "chunk": Pace(map=129, reduce=300, shuffled=0.045),
        "sql": Pace(map=320, reduce=740, shuffled=0.050),
    },
    "sort": {  # W6, by records and by blocks; a sort in SQL was not measured and is taken for one by blocks
        "record": Pace(map=51, reduce=102, shuffled=0.44),
        "chunk": Pace(map=96, reduce=192, shuffled=0.44),
        "sql": Pace(map=96, reduce=192, shuffled=0.44),
    },
    "words": {  # W1
        "record": Pace(map=29, reduce=166, shuffled=0.134),
        "chunk": Pace(map=45, reduce=150, shuffled=0.134),
        "sql": Pace(map=37, reduce=111, shuffled=0.195),
    },
}
