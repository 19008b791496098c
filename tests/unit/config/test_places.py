"""Places that would make a run start itself, that S3 would refuse, or that belong to another job."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.check import lint
from chalicelib.config.places import overlap
from chalicelib.config.triggers import Trigger
from chalicelib.core.spec import JobSpec

from .jobs import GOOD, job, keys_of, places

# Urls


@pytest.mark.parametrize(
    "url", ["", "in/", "/data/in/", "s3://", "s3:///x", "s3:/bucket/x", "https://bucket/x", "S3://bucket/x"]
)
def test_what_is_no_s3_place(url: str) -> None:
    for place in ("input", "work", "output"):
        found = lint(
            job(**{"input": "s3://bin/", "work": "s3://bwo/", "output": "s3://bou/", place: url}), "a"
        )
        assert found == [f"a: {place}.url: expected s3://bucket/prefix/, got {url!r}"]


@pytest.mark.parametrize(
    "bucket",
    [
        "ab",
        "a" * 64,
        "Upper",
        "under_score",
        "-dash",
        "dash-",
        ".dot",
        "dot.",
        "a..b",
        "192.168.5.4",
        "a b",
        "xn--a",
        "sthree-a",
        "amzn-s3-demo-a",
        "a-s3alias",
        "a--ol-s3",
        "a.mrap",
        "a--x-s3",
        "a--table-s3",
        "caf\u00e9",
        "abc\n",
    ],
)
def test_what_is_no_bucket(bucket: str) -> None:
    (found,) = lint(job(f"s3://{bucket}/x/", "s3://work/", "s3://out-here/"), "a")
    assert found.startswith(
        f"a: input.url: {bucket!a} cannot be a bucket's name; expected 3 to 63 of a-z, 0-9"
    )


@pytest.mark.parametrize("bucket", ["abc", "a" * 63, "1.2.3", "1.2.3.4.5", "a.b-c", "a--b", "0a0", "333"])
def test_what_is_a_bucket(bucket: str) -> None:
    assert lint(job(f"s3://{bucket}/x", "s3://work", "s3://out-here/y"), "a") == []


@pytest.mark.parametrize(
    ("key", "spec", "odd"),
    [
        ("input.url", ("s3://b/my files/", "s3://w/", "s3://o/"), "' '"),
        ("input.url", ("s3://b/day=1+2*/", "s3://w/", "s3://o/"), "'*+='"),
        ("work.url", ("s3://b/in/", "s3://w/caf\u00e9/", "s3://o/"), "'\\xe9'"),
    ],
)
def test_prefixes_that_event_rules_read_otherwise(key: str, spec: tuple[str, ...], odd: str) -> None:
    (found,) = lint(places(*spec), "a")
    assert found.startswith(
        f"a: {key}: S3's event rules may not match {odd} as it stands; expected only letters"
    )


def test_what_is_not_watched_may_have_any_name() -> None:
    assert lint(places("s3://b/in-(1)!'_.x/", "s3://w/", "s3://o/my r\u00e9sults/"), "a") == []
    assert keys_of(places("s3://b/in/", "s3://w/", "s3://o/", suffix="*.txt")) == ["input.suffix"]


@pytest.mark.parametrize("name", ["*", "a*b", "res?lts", "${aws:username}", "x${*}y"])
def test_what_a_policy_would_read_as_a_pattern(name: str) -> None:
    """A function could then write to, or read, what is no place of its job."""
    (found,) = lint(places("s3://b/in/", "s3://w/", f"s3://o/{name}/"), "a")
    assert found.startswith("a: output.url: ")
    assert "stands for other places in the functions' policies; expected a plain prefix, got " in found
    assert keys_of(places("s3://b/in/", f"s3://w/{name}/", "s3://o/")) == ["work.url"]
    assert keys_of(places(f"s3://b/{name}/", "s3://w/", "s3://o/")) == ["input.url"]
    for entry in (f"s3://refs/{name}", f"{name}.csv"):
        (found,) = lint(places("s3://b/in/", "s3://w/", "s3://o/", files=f"plain.csv, {entry}"), "a")
        assert found.startswith(f"a: files: {entry}: ")
        assert "expected the name of one" in found


def test_dollars_and_braces_alone_are_no_variables() -> None:
    assert lint(places("s3://b/in/", "s3://w/", "s3://o/a$b{c}/", files="s3://refs/$x{y}.csv"), "a") == []


# One job's places


@pytest.mark.parametrize(
    ("input", "work", "output", "expected"),
    [
        ("s3://b/in/", "s3://b/work/", "s3://b/out/", []),
        ("s3://b/in/", "s3://w/", "s3://b/in/out/", ["output.url"]),
        ("s3://b/in/", "s3://w/", "s3://b/in", ["output.url"]),
        ("s3://b/in", "s3://w/", "s3://b/in/out", ["output.url"]),
        ("s3://b/in", "s3://w/", "s3://b/inner", []),  # `in` is watched as `in/`
        ("s3://b/", "s3://w/", "s3://b/out/", ["output.url"]),
        ("s3://b/", "s3://b/", "s3://o/", ["work.url"]),
        ("s3://b/in/", "s3://b/in/w/", "s3://o/", ["work.url"]),
        ("s3://b/runs/", "s3://b/", "s3://o/", ["work.url"]),  # work files lie in runs/
        ("s3://b/runs/a/", "s3://b/", "s3://o/", ["work.url"]),
        ("s3://b/runs/other/", "s3://b/", "s3://o/", ["input.url"]),
        ("s3://b/w/in/", "s3://b/w/", "s3://o/", ["input.url"]),
        ("s3://b/in/", "s3://b/", "s3://o/", ["input.url"]),
        ("s3://b/in/", "s3://w/", "s3://b/", []),
        ("s3://b/in/", "s3://w/", "s3://w/runs/x/", ["output.url"]),
        ("s3://b/in/", "s3://w/", "s3://w/results/", []),
        ("s3://b/in/", "s3://b/in/w/", "s3://b/in/o/", ["output.url", "work.url"]),
    ],
)
def test_places_of_one_job(input: str, work: str, output: str, expected: list[str]) -> None:
    assert keys_of(places(input, work, output)) == expected


def test_a_suffix_does_not_excuse_a_loop() -> None:
    assert keys_of(places("s3://b/in/", "s3://w/", "s3://b/in/out/", suffix=".txt")) == ["output.url"]


def test_the_sentence_about_a_loop() -> None:
    assert lint(places("s3://b/in/", "s3://w/", "s3://b/in/out/"), "wordcount") == [
        "wordcount: output.url: results in s3://bucket-b/in/out/ lie under the watched input prefix "
        "s3://bucket-b/in/, so each would start the job again without end; "
        "give it a prefix or bucket of its own"
    ]


# Beside other jobs


@pytest.mark.parametrize(
    ("work", "output", "theirs", "their_output", "expected"),
    [
        ("s3://w/", "s3://v/runs/b/r/", "s3://v/", "s3://p/", ["output.url"]),
        ("s3://w/", "s3://v/runs/", "s3://v/", "s3://p/", ["output.url"]),
        ("s3://w/", "s3://v/deep/runs/c/", "s3://v/deep/", "s3://p/", ["output.url"]),
        ("s3://w/", "s3://v/totals/b/states/", "s3://v/", "s3://p/", ["output.url"]),
        ("s3://w/", "s3://o/", "s3://v/", "s3://w/runs/a/x/", ["work.url"]),
        ("s3://w/", "s3://v/results/", "s3://v/", "s3://p/", []),
        ("s3://w/", "s3://v/deep/runs/", "s3://v/", "s3://p/", []),
        ("s3://w/", "s3://v/totals/c/", "s3://v/", "s3://p/", []),
        ("s3://w/", "s3://o/", "s3://w/", "s3://o/", []),
    ],
)
def test_results_among_the_work_files_of_another_job(
    work: str, output: str, theirs: str, their_output: str, expected: list[str]
) -> None:
    """They would expire with them, and could pass for them."""
    other = places("s3://in/b/", theirs, their_output)
    assert keys_of(places("s3://in/a/", work, output), "a", {"b": other}) == expected


def test_the_sentence_about_results_among_work_files() -> None:
    other = places("s3://in/b/", "s3://v/", "s3://p/")
    assert lint(places("s3://in/a/", "s3://w/", "s3://v/runs/b/r1/"), "a", {"b": other}) == [
        "a: output.url: s3://bucket-v/runs/b/r1/ lies in s3://bucket-v/runs/, where job b keeps its work files; "
        "give it a prefix or bucket of its own"
    ]


def test_watching_the_same_objects() -> None:
    other = places("s3://in/a/b/", "s3://work/", "s3://out/")
    assert lint(GOOD, "a", {"b": other}) == [
        "a: input.url: watching s3://bucket-in/a/ overlaps with s3://bucket-in/a/b/, which job b watches for "
        "its input.url; S3 refuses that; give them prefixes or suffixes that do not overlap, or events: eventbridge"
    ]


def test_jobs_share_a_prefix_if_one_of_them_is_told_by_eventbridge() -> None:
    one, two = (places("s3://in/a/", "s3://work/", "s3://out/", events=by) for by in ("s3", "eventbridge"))
    assert keys_of(one, "a", {"b": two}) == keys_of(two, "b", {"a": one}) == []
    assert keys_of(two, "a", {"b": two}) == []
    assert keys_of(one, "a", {"b": one}) == ["input.url"]


@pytest.mark.parametrize(("number", "expected"), [(60, []), (90, ["events"])])
def test_a_pattern_of_events_has_a_limit(number: int, expected: list[str]) -> None:
    """AWS takes 2,048 characters."""
    more = [{"tag": f"t{n}", "url": f"s3://bucket-in/more/{n:04d}/"} for n in range(number)]
    inputs = {"events": "eventbridge", "more_inputs": more}
    assert keys_of(places("s3://in/a/", "s3://work/", "s3://out/", **inputs)) == expected


def test_eventbridge_excuses_no_loop_and_watches_a_second_bucket() -> None:
    more = [{"tag": "t", "url": "s3://bucket-x/"}]
    for by, expected in (("eventbridge", []), ("s3", ["input.t.url"])):
        job = places("s3://in/a/", "s3://work/", "s3://out/", events=by, more_inputs=more)
        assert keys_of(job) == expected
    inside = places("s3://in/a/", "s3://work/", "s3://x/", events="eventbridge", more_inputs=more)
    assert keys_of(inside) == ["output.url"], "results would start runs from there"
    assert keys_of(places("s3://b/in/", "s3://w/", "s3://b/in/out/", events="eventbridge")) == ["output.url"]


@pytest.mark.parametrize(
    ("mine", "theirs", "clash"),
    [
        (("s3://in/a/", ".txt"), ("s3://in/a/", ".csv"), False),
        (("s3://in/a/", ".txt"), ("s3://in/a/", ".txt"), True),
        (("s3://in/a/", "txt"), ("s3://in/", ".txt"), True),
        (("s3://in/a/", ".txt"), ("s3://in/a/", ""), True),
        (("s3://in/a/", ".gz"), ("s3://in/a/", ".txt.gz"), True),
        (("s3://in/a/", ".gz.txt"), ("s3://in/a/", ".gz"), False),
        (("s3://in/a/", ""), ("s3://in/b/", ""), False),
        (("s3://in/a", ""), ("s3://in/ab", ""), False),
        (("s3://in/a/", ""), ("s3://other/a/", ""), False),
        (("s3://in/", ""), ("s3://in/b/", ".txt"), True),
    ],
)
def test_input_rules_of_two_jobs(mine: tuple[str, str], theirs: tuple[str, str], clash: bool) -> None:
    one, two = (places(url, "s3://work/", "s3://out/", suffix=suffix) for url, suffix in (mine, theirs))
    expected = ["input.url"] if clash else []
    assert keys_of(one, "a", {"b": two}) == expected
    assert keys_of(two, "b", {"a": one}) == expected


def test_marker_jobs_watch_every_object() -> None:
    """S3 cannot filter for two endings, so the other job's suffix does not tell the rules apart."""
    one = places("s3://in/a/", "s3://work/", "s3://out/", trigger="marker")
    two = places("s3://in/a/", "s3://work/", "s3://out/", suffix=".txt")
    assert keys_of(one, "a", {"b": two}) == ["input.url"]


def test_watching_another_jobs_work_files() -> None:
    other = places("s3://work/", "s3://elsewhere/", "s3://out/")
    assert keys_of(GOOD, "a", {"b": other}) == ["work.url"]
    assert keys_of(other, "b", {"a": GOOD}) == ["input.url"]
    with_suffix = places("s3://work/", "s3://elsewhere/", "s3://out/", suffix=".txt")
    assert keys_of(GOOD, "a", {"b": with_suffix}) == []


def test_jobs_may_share_a_work_place() -> None:
    one, two = (places(f"s3://in/{name}/", "s3://work/", f"s3://out/{name}/") for name in "ab")
    assert keys_of(one, "a", {"b": two}) == []


def test_the_rule_of_s3_for_overlaps() -> None:
    """Overlapping prefixes need suffixes that do not overlap, and the other way round."""
    images, logs = Trigger("b", "images/", ""), Trigger("b", "logs/", "")
    assert not overlap(images, logs)
    assert overlap(Trigger("b", "", ".jpg"), Trigger("b", "images", ""))
    assert overlap(Trigger("b", "images", ".jpg"), Trigger("b", "images", "jpg"))
    assert not overlap(Trigger("b", "images/", ".jpg"), Trigger("b", "images/", ".png"))
    assert not overlap(images, images._replace(bucket="c"))


short = st.text("ab/", max_size=3)
a_trigger = st.builds(Trigger, st.sampled_from("xy"), short, short)


@given(a_trigger, a_trigger)
def test_overlap_is_symmetric_and_covers_all_shared_keys(one: Trigger, two: Trigger) -> None:
    """Long keys that both rules match exist exactly where the rules overlap."""
    filler = "a" * 8
    candidates = {f"{p}{filler}{s}" for p in (one.prefix, two.prefix) for s in (one.suffix, two.suffix)}
    shared = any(
        all(key.startswith(rule.prefix) and key.endswith(rule.suffix) for rule in (one, two))
        for key in candidates
    )
    assert overlap(one, two) == overlap(two, one) == (shared and one.bucket == two.bucket)


# Loops across jobs


def chain(*hops: str, name: str = "abcdefgh") -> dict[str, JobSpec]:
    """Jobs that each read what the one before wrote: chain("1", "2", "3") is 1 -> a -> 2 -> b -> 3."""
    pairs = pairwise(hops)
    return {
        name[at]: places(f"s3://data/{source}/", "s3://work/", f"s3://data/{target}/")
        for at, (source, target) in enumerate(pairs)
    }


def test_a_pipeline_of_jobs_is_fine() -> None:
    jobs = chain("1", "2", "3", "4")
    assert [lint(spec, name, jobs) for name, spec in jobs.items()] == [[], [], []]


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_ring_of_jobs_is_refused(length: int) -> None:
    jobs = chain(*(str(step) for step in range(length)), "0")
    assert len(jobs) == length
    names = sorted(jobs)
    for at, name in enumerate(names):
        (found,) = lint(jobs[name], name, jobs)
        way = " -> ".join([*names[at:], *names[:at], name])
        assert found.startswith(f"{name}: output.url: results start other jobs that start this one: {way}, ")


def test_a_job_that_only_feeds_a_ring_is_not_blamed() -> None:
    jobs = chain("1", "2", "1", name="bc")
    feeder = places("s3://data/0/", "s3://work/", "s3://data/1/")
    assert lint(feeder, "a", jobs) == []
    assert keys_of(jobs["b"], "b", {**jobs, "a": feeder}) == ["output.url"]


def test_another_jobs_bad_url_is_its_own_problem() -> None:
    assert lint(GOOD, "a", {"b": job("nowhere", "", "/x")}) == []
