"""Patterns of EventBridge pick what S3's own rules would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.triggers import Trigger, bus_pattern, bus_patterns
from chalicelib.core.ports import Loc
from tests.features.test_bus import matches, told
from tests.unit.config.jobs import places

short = st.text("ab/", max_size=3)
a_rule = st.builds(Trigger, st.sampled_from("bc"), short, short)


@given(st.lists(a_rule, min_size=1, max_size=3), st.text("ab/", min_size=1, max_size=6))
def test_a_pattern_picks_what_the_rules_do(rules: list[Trigger], key: str) -> None:
    for bucket in "bcd":
        mine = [rule for rule in rules if rule.bucket == bucket]
        wanted = any(key.startswith(rule.prefix) and key.endswith(rule.suffix) for rule in mine)
        assert matches(bus_pattern(rules), told(Loc(bucket, key), "e", 0.0)) == wanted


def test_the_patterns_of_a_job() -> None:
    job = places("s3://in/a/", "s3://work/w/", "s3://out/", suffix=".txt", events="eventbridge")
    patterns = bus_patterns("words", job)
    assert patterns["coordinator"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["bucket-in"]}, "object": {"key": [{"wildcard": "a/*.txt"}]}},
    }
    assert patterns["supervisor"]["detail"]["object"]["key"] == [{"wildcard": "w/runs/words/*.done"}]
    assert bus_patterns("words", places("s3://in/a/", "s3://work/w/", "s3://out/")) == {}


def test_a_whole_bucket_needs_no_keys() -> None:
    job = places("s3://in/", "s3://work/w/", "s3://out/", events="eventbridge")
    assert bus_patterns("words", job)["coordinator"]["detail"] == {"bucket": {"name": ["bucket-in"]}}
