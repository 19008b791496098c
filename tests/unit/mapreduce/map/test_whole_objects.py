"""Whole objects: in memory or as a file, unpacked, no longer than allowed, and gone afterwards."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.errors import InputError
from chalicelib.mapreduce.map.whole_objects import steps
from tests.unit.mapreduce.map.opened import Lines, Opened


class Chunk(Job):
    def mapper_chunk(self, text: Any) -> Any:
        yield text, 1


class Keyed(Job):
    def mapper(self, key: Any, value: Any) -> Any:
        yield key, value


class Raw(Job):
    def mapper_raw(self, path: str) -> Any:
        yield Path(path).read_bytes(), Path(path).name


def test_the_content_is_text_or_bytes_and_has_its_url() -> None:
    assert Opened(Keyed, b"\xc3\xa4").read(steps) == ([("s3://in/a.txt", "ä")], [None])
    assert Opened(Chunk, b"\xff", encoding="bytes").read(steps)[0] == [(b"\xff", 1)]
    packed = Opened(Chunk, gzip.compress(b"abc"), key="a.gz")
    assert packed.read(steps)[0] == [("abc", 1)]
    assert packed.counted == (1, 3)


def test_the_file_is_there_for_the_mapper_alone(tmp_path: Path) -> None:
    opened = Opened(Raw, b"abc", tmp_path)
    assert opened.read(steps) == ([(b"abc", "object-a.txt")], [None])
    assert opened.counted == (1, 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("job", [Chunk, Raw])
def test_an_object_that_is_too_long_unpacked_leaves_nothing(job: type[Job], tmp_path: Path) -> None:
    body = gzip.compress(bytes(1000))
    with pytest.raises(InputError, match=r"s3://in/a.gz: longer than input.max_record_bytes \(100\)"):
        Opened(job, body, tmp_path, key="a.gz", max_record_bytes=100).read(steps)
    opened = Opened(job, body, tmp_path, key="a.gz", max_record_bytes=100, policy="quarantine")
    assert opened.read(steps)[0] == []
    assert [offset for offset, *_ in opened.bad] == [None]
    assert list(tmp_path.iterdir()) == []


def test_an_object_on_which_the_mapper_raises_is_set_aside_whole() -> None:
    opened = Opened(Lines, b"bad", policy="quarantine")
    assert opened.read(steps) == ([], [None])
    assert opened.bad == [(None, None, "")]
