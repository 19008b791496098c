"""`mrjob.util`: what an expression of a job's own may be made of."""

from __future__ import annotations

import pytest

from chalicelib.mrjob import safeeval


def test_literals_names_items_and_two_functions_have_their_values() -> None:
    assert safeeval("{'a': range(2), 'b': x}['b']", {"x": 3}) == 3
    assert safeeval(" [1, -2.5, (3, 'a'), {4}, None, True] ") == [1, -2.5, (3, "a"), {4}, None, True]
    assert safeeval("set([n, n])", {}, {"n": 7}) == {7}
    assert safeeval("xrange(3)") == range(3)


@pytest.mark.parametrize(
    "expression",
    ["().__class__", "open('x')", "x", "[i for i in (1,)]", "f(1)", "range(stop=2)", "lambda: 1"],
)
def test_what_could_reach_more_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        safeeval(expression, {"f": print})
