"""Where it went wrong: the place in a message, and what `self.input` shows, for everything that can be in hand."""

from __future__ import annotations

import pytest

from chalicelib.core.errors import DataTypeError, DiskError, InputError, JobCodeError, UserError
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec
from chalicelib.mapreduce.guard.location import LineNumbers, Where, blame, located
from chalicelib.mapreduce.input.blocks import TextBlock
from chalicelib.mapreduce.input.lines import LineReader

SPLIT = Split(bucket="in", key="a.txt", etag="1", start=10, stop=90, size=90)
READER = LineReader(InputSpec(url="s3://in/", comment="#"), Loc("in", "a.txt"))
BLOCK = TextBlock(10, b"#x\none\n#y\ntwo\nthree\n")


def test_the_place_follows_what_is_in_hand() -> None:
    where = Where("j")
    where.at("mapper_init")
    assert str(where) == "job j: mapper_init"
    with pytest.raises(UserError, match="nothing is being read in mapper_init"):
        _ = where.offset
    where.open(SPLIT)
    assert (str(where), where.offset) == ("job j: s3://in/a.txt", None)
    where.chunk(BLOCK)
    assert (str(where), where.offset) == ("job j: s3://in/a.txt, chunk at byte 10", 10)
    records = iter(READER.records(BLOCK))
    where.records(READER, BLOCK, records, 3)
    starts = []
    for _ in records:
        starts.append(where.offset)
    assert starts == [13, 20, 24]
    assert str(where) == "job j: s3://in/a.txt, line at byte 24"
    where.open(SPLIT)
    assert str(where) == "job j: s3://in/a.txt"


def test_a_place_asked_for_late_is_found_from_the_block_s_beginning() -> None:
    where = Where("j")
    where.open(SPLIT)
    records = iter(READER.records(BLOCK))
    where.records(READER, BLOCK, records, 3)
    assert list(records) == ["one", "two", "three"]
    assert where.offset == 24


def test_what_the_user_s_code_raises_is_told_with_its_place() -> None:
    where = Where("j")
    where.at("mapper_final")
    with pytest.raises(JobCodeError, match=r"^job j: mapper_final: ValueError: no$"), blame(where):
        raise ValueError("no")
    with pytest.raises(DataTypeError, match=r"^job j: mapper_final: no$"), blame(where):
        raise DataTypeError("no")
    for error in (InputError("no"), UserError("no")):
        with pytest.raises(type(error), match=r"^no$"), blame(where):
            raise error
    with pytest.raises(DiskError, match=r"^job j: mapper_final: full$"), located(where):
        raise DiskError("full")


def test_lines_are_numbered_as_blocks_come() -> None:
    numbers = LineNumbers(known=True)
    numbers.block(TextBlock(0, b"a\nb\n"))
    assert [numbers.number(at) for at in (0, 2)] == [1, 2]
    numbers.block(TextBlock(4, b"c\nd\n"))
    assert [numbers.number(at) for at in (4, 6)] == [3, 4]
    assert LineNumbers(known=False).number(4) is None
