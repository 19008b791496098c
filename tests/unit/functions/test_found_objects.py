"""Objects that are kept packed are a sequence like any other."""

from __future__ import annotations

import pytest

from chalicelib.core.ports import ObjectInfo
from chalicelib.functions.run_inputs import Found, FoundObjects


def objects(count: int) -> list[Found]:
    return [
        ("büro" if number % 3 else "in", ObjectInfo(f"data/ä {number}\n", number, f"e{number}", number / 7))
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 10_000])
def test_they_come_back_as_often_as_need_be(count: int) -> None:
    found = FoundObjects(iter(objects(count)))
    assert len(found) == count
    assert list(found) == list(found) == objects(count)
    assert all(type(info) is ObjectInfo for _, info in found)


def test_each_is_found_by_its_number() -> None:
    whole, found = objects(9000), FoundObjects(objects(9000))
    assert [found[number] for number in (0, 4095, 4096, 8999, -1)] == [
        whole[number] for number in (0, 4095, 4096, 8999, -1)
    ]
    assert found[4090:4100] == whole[4090:4100]
    with pytest.raises(IndexError):
        found[9000]
