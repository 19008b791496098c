"""Every number that an estimate assumes, with its source and date. Change them here, and nowhere else.

[P] docs/performance.md, measured 2026-11-21 on this project's code, two cores of an AMD EPYC. [M] this code against a
store that answers at once, by processor time and by the operating system's peak memory, 2026-11-27 (much of it
`tests/worlds/at_size.py`, Python 3.11: docs/performance.md, "At size"). [L] AWS Lambda Developer Guide, read 2026-11.
[S] Amazon S3 User Guide, read 2026-11. [O] others' measurements of Lambda, not ours. [A] assumed, for want of a
published figure. Nothing was measured on AWS.
"""

from __future__ import annotations

from msgspec import Struct

from ...core.spec import MIB


class Figures(Struct, frozen=True, kw_only=True):
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
    #: A throttled event is tried again after 1 s, then twice as long, up to 5 minutes [L]. Slots stand idle meanwhile,
    #: so many times as long as the last task has to wait anyhow, and the same of one run in twenty; found by the
    #: simulated cloud with 4 to 100 slots (docs/scale.md), 2026-11-27.
    longest_pause: float = 300.0
    pause_share: float = 1.2
    pause_late: float = 1.7
    #: MB of memory that come with one processor [L]. Python's tasks use one.
    one_processor: int = 1769
    #: Bytes a second between S3 and one function: 400 to 700 Mbit/s are reported [O].
    throughput: float = 70e6
    #: Local disk of a function [L], unless `lambda.ephemeral_storage` says more.
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
    #: As in `stores.s3` and `mapreduce.shuffle.fetch`: small reads that a function has under way at once, least, most,
    #: and one for so many MB of its memory; those that all reducers share; and bytes of one read of an input.
    least_reads: int = 4
    most_reads: int = 32
    read_memory: int = 32
    prefix_reads: int = 160
    piece: int = 8 * MIB

    # -- our own code, in seconds of a whole processor ----------------------------------------------------------------

    #: A request: 1.4 to 1.8 ms [M]. A page of 1 000 rows: 36 ms for boto3 to parse, 9 ms for us to take in [M].
    request_work: float = 0.0015
    page_work: float = 0.045
    #: A marker event that finds a live lease, at 256 MB, as billed [M]; with more memory, no more.
    event_billed: float = 0.077
    #: The shuffle's index, for each map task, and for each of its offsets: 1.2 s at 30 000 x 64, 7.2 s at 16 000 x
    #: 4 096 [M].
    marker_work: float = 32e-6
    offset_work: float = 0.11e-6
    #: A look at a phase, for each task that is not done: 3.0 s at a million [M].
    watch_work: float = 3e-6
    #: Planning, for each object or split beyond its row in the listing: 10.3 s at 400 000, 26.5 at a million [M].
    planned_work: float = 26e-6

    # -- memory -------------------------------------------------------------------------------------------------------

    #: A process with its libraries: 61 MiB with boto3 and its clients [M].
    process: int = 61 * MIB
    #: The shuffle's index: a block at a time, so many times its size, and all blocks' sums. 75 MiB, 25 of them the
    #: process, at 16 000 x 4 096, 58 at 2 000 x 4 096 [M].
    block_copies: float = 3.0
    #: A task that is not done, while its phase is looked at: 170 MiB more at a million [M].
    watched: int = 180
    #: An object or split in the coordinator, packed, and what else is held meanwhile: 52 MiB, 25 of them the process,
    #: at 400 000; 76 at a million; 85 at 100 000 [M].
    planned: int = 60
    planning: int = 60 * MIB
    #: Bytes of a line, where tasks are cut by lines [A: logs].
    line: int = 100
    #: A task's records in memory, for each byte of input, before they are spilled [A: Python's objects].
    record_overhead: float = 6.0

    # -- the protocol -------------------------------------------------------------------------------------------------

    #: As in `run.calls`: children of a node, and calls that it makes at once. As in
    #: `mapreduce.shuffle.index`: bytes of a block of the index, its run files at most; and as in `run.reduce_plan`: map
    #: tasks up to which it is made in one piece.
    fan_out: int = 32
    parallel_calls: int = 8
    block_bytes: int = 16 << 20
    block_rows: int = 4096
    one_piece: int = 512
    #: As in `functions.attempt.remembering`: bytes that a supervisor reads ahead. And bytes of a marker but for its
    #: offsets, which take two each at most, packed [M].
    remembered: int = 8 << 20
    marker_bytes: int = 500
    #: As in `functions.supervision`: functions that may run at once for each supervisor that may wait; seconds between
    #: two looks at most; what a supervisor keeps of its time to hand over, and the share of a short time that this is.
    seat: int = 40
    longest_look: float = 5.0
    reserve: float = 20.0
    reserve_share: float = 0.7

    def share(self, memory: int) -> float:
        """Of a processor, for one thread of a function of `memory` MB."""
        return min(1.0, memory / self.one_processor)

    def reads(self, memory: int, readers: int = 1) -> int:
        """Small reads that a function of `memory` MB has under way, one of so many that read under one prefix."""
        own = min(max(memory // self.read_memory, self.least_reads), self.most_reads)
        return min(own, max(self.least_reads, self.prefix_reads // max(readers, 1)))

    def rows(self, partitions: int) -> int:
        """Run files in one block of the shuffle's index."""
        return min(self.block_rows, max(1, self.block_bytes // (4 * (partitions + 1))))


FIGURES = Figures()


class Pace(Struct, frozen=True, kw_only=True):
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
#: regular ones. A join is made of inputs, each of a kind of its own: W5 is a *join* of rankings with a *filter* of
#: visits; which of its seconds go to which input by processor seconds of runs over one and a few rows of the other [M].
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
    "join": {  # of W5 the rankings, all of which are shuffled, 17.7 MB; by blocks not measured, and taken for records
        "record": Pace(map=12, reduce=13.6, shuffled=0.61),
        "chunk": Pace(map=12, reduce=13.6, shuffled=0.61),
        "sql": Pace(map=57, reduce=110, shuffled=0.91),
    },
    "words": {  # W1
        "record": Pace(map=29, reduce=166, shuffled=0.134),
        "chunk": Pace(map=45, reduce=150, shuffled=0.134),
        "sql": Pace(map=37, reduce=111, shuffled=0.195),
    },
}
