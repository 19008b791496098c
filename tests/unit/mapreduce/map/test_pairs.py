"""Typed pairs: through the mapper or as they are, on from any edge, bad ones known by block and key."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import JobCodeError
from chalicelib.mapreduce.guard.location import blame
from chalicelib.mapreduce.map import pairs
from chalicelib.mapreduce.shuffle.run_file import RunWriter
from tests.unit.mapreduce.map.opened import Opened

GIVEN = [(number, f"v{number}") for number in range(10)]


def part(*blocks: list[Any]) -> bytes:
    body = bytearray()
    writer = RunWriter(body.extend, 1)
    for block in blocks:
        writer.add(0, [key for key, _ in block], [value for _, value in block])
    return bytes(body)


BODY = part(GIVEN[:6], GIVEN[6:])


class Passing(Job):
    pass


class Mapping(Job):
    def mapper(self, key: Any, value: Any) -> Any:
        if key == 7:
            raise ValueError("no")
        return [(key, value)] if key % 2 else None


@pytest.mark.parametrize("job", [Passing, Mapping])
def test_an_attempt_goes_on_at_any_edge(job: type[Job]) -> None:
    body, second = part(GIVEN[:4], GIVEN[4:7]), len(part(GIVEN[:4]))
    wanted = [pair for pair in GIVEN[:7] if job is Passing or pair[0] % 2]
    found, edges = Opened(job, body, identity=True, format="pairs").read(pairs.steps)
    assert found == wanted
    assert edges[-1] == (len(body), 0)
    assert {(0, 1), (second, 0)} < set(edges)
    for start, skip in filter(None, edges[:-1]):
        done = skip + (4 if start else 0)
        rest = Opened(job, body, identity=True, format="pairs", start=start, skip=skip)
        assert rest.read(pairs.steps)[0] == [pair for pair in wanted if pair[0] >= done]


def test_bytes_of_a_block_count_once() -> None:
    opened = Opened(Passing, BODY, identity=True, format="pairs")
    opened.read(pairs.steps)
    assert opened.counted == (10, len(BODY))


def test_a_bad_pair_is_known_by_its_block_and_key() -> None:
    opened = Opened(Mapping, BODY, policy="quarantine", format="pairs")
    assert opened.read(pairs.steps)[0] == [(key, value) for key, value in GIVEN if key % 2 and key != 7]
    second = len(part(GIVEN[:6]))
    assert opened.bad == [(second, None, "(7, 'v7')")]
    failing = Opened(Mapping, BODY, format="pairs")
    message = f"job job: s3://in/a.txt, pair of key 7 in the block at byte {second}: ValueError: no"
    with pytest.raises(JobCodeError, match=message), blame(failing.split.where):
        failing.read(pairs.steps)
