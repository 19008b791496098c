"""The estimates of docs/scale.md are those that the code gives."""

from __future__ import annotations

import pytest

from benchmarks import scale


def test_the_estimates_are_those_of_the_code() -> None:
    page = scale.PAGE.read_text("utf-8")
    assert page == scale.written(page, "estimates", scale.tables()), "the estimates have changed: make scale"
    assert page == scale.written(page, "expected", scale.expected()), "what is chosen has changed: make scale"


@pytest.mark.parametrize("mark", ["twin", "few slots"])
def test_what_the_simulated_cloud_says_is_there(mark: str) -> None:
    page = scale.PAGE.read_text("utf-8")
    assert page.partition(f"<!-- scale: {mark} -->")[2].partition("<!-- end -->")[0].count("\n|") > 4


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(SystemExit, match="expected the marks <!-- scale: twin -->"):
        scale.written("a page", "twin", "")
