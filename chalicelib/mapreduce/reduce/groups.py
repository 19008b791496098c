"""From the sorted pairs of a partition to its results, group after group."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import Any

from ...aggregators import Aggregator
from ...core.errors import ProcessKilled, SluiceError
from ...job.binding import BoundJob, GroupFunction
from ..guard.deadline import Pace
from ..shuffle.memory_size import row_bytes
from ..shuffle.merge import groups
from ..shuffle.run_file import BLOCK_BYTES, BLOCK_PAIRS, SOME_PAIRS, Block
from ..shuffle.spill import fold_states
from .bad_groups import BadGroups, Pair, no_pair

#: States that are finished at a time: few enough to stay in the cache while one field after the other looks at them.
_AT_ONCE = 512

#: After which group one may stop, as a list of that one key; nothing: not here.
Edge = list[Any] | None


class Groups:
    """Calls the job's reducer for each group, or finishes the states of its aggregator."""

    def __init__(self, job: BoundJob, pace: Pace, bad: BadGroups) -> None:
        self._job = job
        self._pace = pace
        self._bad = bad
        #: The group that the user's reducer is in, for the message if it goes wrong.
        self.current: Any = None

    def results(self, blocks: Iterator[Block], spilled: bool) -> Iterator[tuple[Block, Edge]]:
        """Blocks of results, and where one may stop after a block: at the last key of it, or nowhere.

        `spilled`: the states of one key may still be several.
        """
        reducer = self._job.reducer
        if reducer is None:
            for block in blocks:
                yield self._bad.kept(block), None
        elif isinstance(reducer, Aggregator):
            folded = fold_states(blocks, reducer.merge) if spilled else blocks
            for keys, states in folded:
                yield self._bad.kept(self._finished(reducer, keys, states)), keys[-1:]
        else:
            yield from self._reduced(blocks, reducer)

    def _finished(self, reducer: Aggregator, keys: list[Any], states: list[Any]) -> Block:
        """Keys and results, without the groups that are set aside."""
        if type(reducer).finish is Aggregator.finish:
            return keys, states
        if self._bad.trail:
            return self._finished_singly(reducer, keys, states)
        with suppress(Exception, SystemExit):  # one by one they show whose it is
            return keys, list(chain.from_iterable(map(reducer.finish_column, _few_by_few(states))))
        good: list[Any] = []
        results: list[Any] = []
        at = 0
        while at < len(keys):
            try:
                results.extend(map(reducer.finish, states[at:] if at else states))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - raises, unless the policy is to go on
                done = len(results) - len(good)
                self._bad.failed(error, keys[at + done])
                good += keys[at : at + done]
                at += done + 1
            else:
                good += keys[at:]
                at = len(keys)
        return good, results

    def _finished_singly(self, reducer: Aggregator, keys: list[Any], states: list[Any]) -> Block:
        """The same, one group at a time, as one of them may end this process."""
        good: list[Any] = []
        results: list[Any] = []
        for key, state in zip(keys, states, strict=True):
            try:
                found = list(self._bad.traced(lambda state=state: [reducer.finish(state)]))  # type: ignore[misc]
            except (Exception, SystemExit) as error:  # noqa: BLE001 - raises, unless the policy is to go on
                self._bad.failed(error, key)
            else:
                results += found
                good += [key] * len(found)
        return good, results

    def _reduced(self, blocks: Iterator[Block], reducer: GroupFunction) -> Iterator[tuple[Block, Edge]]:
        """The user's reducer over every group; its pairs in blocks, cut between groups where time is short."""
        pace, left = self._pace, self._pace.size
        call = self._bad.whole if self._bad.active else self._called
        block: Block = [], []
        look, held = SOME_PAIRS, 0  # when to count the bytes of the last pairs; those of the pairs before
        pace.begin()
        for key, values in groups(blocks):
            self.current = key
            pairs = call(reducer, key, values)
            while self._fill(block, pairs, key, look):
                held += row_bytes([*zip(*(column[-SOME_PAIRS:] for column in block), strict=True)])
                look += SOME_PAIRS
                if look > BLOCK_PAIRS or held >= BLOCK_BYTES:
                    yield block, None
                    block, look, held = ([], []), SOME_PAIRS, 0
            left -= 1
            if left <= 0:
                pace.end()
                if pace.out_of_time:
                    yield block, [key]
                    block, look, held = ([], []), SOME_PAIRS, 0
                left = pace.size
                pace.begin()
        if block[0]:
            yield block, None

    def _called(self, reducer: GroupFunction, key: Any, values: Iterator[Any]) -> Iterator[Pair]:
        try:
            if self._bad.trail:
                pairs = iter(self._bad.traced(lambda: reducer(key, values) or ()))
            else:
                pairs = iter(reducer(key, values) or ())
        except (Exception, SystemExit) as error:
            raise self._bad.blame(error, key) from error
        return self._job.passing(pairs) if self._job.having else pairs

    def _fill(self, block: Block, pairs: Iterator[Pair], key: Any, most: int) -> bool:
        """Take a group's pairs until the block has `most`; whether it has.

        Each is taken apart before the next one is made: so its tuple never leaves the cache.
        """
        keys, values = block
        add_key, add_value = keys.append, values.append
        try:
            for pair in islice(pairs, most - len(keys)):
                try:
                    its_key, its_value = pair
                except (TypeError, ValueError) as error:
                    raise no_pair(pair, self._job.name) from error
                add_key(its_key)
                add_value(its_value)
            return len(keys) == most
        except ProcessKilled as error:
            raise self._bad.blame(error, key) from error
        except SluiceError:
            raise
        except (Exception, SystemExit) as error:
            raise self._bad.blame(error, key) from error


def _few_by_few(states: list[Any]) -> Iterator[list[Any]]:
    return (states[start : start + _AT_ONCE] for start in range(0, len(states), _AT_ONCE))
