"""Where a job points: bucket names, event rules that S3 refuses, and results that would start runs for ever.

Pure: names and specs in, sentences out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..core import keys
from ..core.ports import Loc
from ..core.spec import JobSpec
from .problem import Problem, input_key
from .triggers import Trigger, bus_patterns, of_input, triggers

_BUCKET = re.compile(r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
#: In an event rule S3 wants all other characters encoded, takes a space for `+`, and refuses `*`.
_RULE_TEXT = re.compile(r"[A-Za-z0-9!_.'()/-]*")
#: Characters of an event pattern, in JSON.
_LONGEST_PATTERN = 2048
_IP_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_MEND = "give it a prefix or bucket of its own"


def place_problems(spec: JobSpec, name: str, others: Mapping[str, JobSpec]) -> list[Problem]:
    """What is wrong with the job's places in S3, by themselves and beside those of `others`."""
    bad_urls = list(_urls(spec))
    if bad_urls:
        return bad_urls
    rest = {other: theirs for other, theirs in others.items() if other != name}
    sound = {other: theirs for other, theirs in rest.items() if not list(_urls(theirs))}
    return [
        *_rule_texts(spec),
        *_long_patterns(spec, name),
        *_patterns(spec),
        *_own_places(spec, name),
        *_clashes(spec, name, sound),
        *_loops(spec, name, sound),
        *_shared_totals(spec, sound),
        *_in_their_work(spec, name, sound),
    ]


# One job by itself


def _urls(spec: JobSpec) -> Iterator[Problem]:
    places = [(input_key(spec, given, "url"), given.url) for given in spec.inputs]
    for key, url in [*places, ("work.url", spec.work.url), ("output.url", spec.output.url)]:
        bucket = url.removeprefix("s3://").partition("/")[0]
        if not url.startswith("s3://") or not bucket:
            yield Problem(key, f"expected s3://bucket/prefix/, got {url!a}")
        elif (
            not _BUCKET.fullmatch(bucket) or _IP_ADDRESS.fullmatch(bucket) or bucket.endswith(_RESERVED_ENDS)
        ):
            rule = "3 to 63 of a-z, 0-9, - and ., and none of the forms that AWS reserves"
            yield Problem(key, f"{bucket!a} cannot be a bucket's name; expected {rule}")


def _rule_texts(spec: JobSpec) -> Iterator[Problem]:
    watched = [("work.url", spec.work.url)]
    for given in spec.inputs:
        watched += [(input_key(spec, given, name), getattr(given, name)) for name in ("url", "suffix")]
    for key, text in watched:
        odd = "".join(sorted(set(_RULE_TEXT.sub("", text.removeprefix("s3://")))))
        if odd:
            wanted = "expected only letters, digits and !_.'()/- (the objects' own names may hold anything)"
            yield Problem(key, f"S3's event rules may not match {odd!a} as it stands; {wanted}, got {text!a}")


def _long_patterns(spec: JobSpec, name: str) -> Iterator[Problem]:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html has the limit."""
    for pattern in bus_patterns(name, spec).values():
        import json  # few jobs are started by way of the bus

        if (size := len(json.dumps(pattern))) > _LONGEST_PATTERN:
            text = (
                f"the pattern of its events has {size} characters, and EventBridge takes {_LONGEST_PATTERN}"
            )
            yield Problem("events", f"{text}; give it fewer inputs, or one prefix above them all")


def pattern_in(text: str) -> str:
    """What in the text a policy would read as a pattern or a variable; "" if there is nothing."""
    return next((mark for mark in ("*", "?", "${") if mark in text), "")


def _patterns(spec: JobSpec) -> Iterator[Problem]:
    """Those of the other places are among what event rules do not take."""
    if mark := pattern_in(spec.output.url):
        text = f"{mark!a} stands for other places in the functions' policies; expected a plain prefix"
        yield Problem("output.url", f"{text}, got {spec.output.url!a}")


def _under(place: Loc, prefix: Loc) -> bool:
    return place.bucket == prefix.bucket and place.key.startswith(prefix.key)


def _own_places(spec: JobSpec, name: str) -> Iterator[Problem]:
    for given in spec.inputs:
        yield from _apart(spec, name, given.loc, input_key(spec, given, "url"))
    output, runs = spec.output_loc, keys.runs_prefix(spec.work_loc)
    totals = keys.TotalsKeys(spec.work_loc, name).root
    if spec.accumulate and _under(output, totals):
        text = f"{output.url} lies among the totals kept in {totals.url}, where old objects are deleted"
        yield Problem("output.url", f"{text}; {_MEND}")
    if _under(output, runs):
        text = f"{output.url} lies among the work files of {spec.work_loc.url}, which are deleted after some days"
        yield Problem("output.url", f"{text}; {_MEND}")
    yield from _inputs_apart(spec)


def _inputs_apart(spec: JobSpec) -> Iterator[Problem]:
    """An object belongs to one input, and S3 refuses rules that overlap."""
    first = spec.input
    for number, given in enumerate(spec.more_inputs, start=1):
        key = input_key(spec, given, "url")
        if given.loc.bucket != first.loc.bucket and spec.events == "s3":
            text = f"S3's own rules start a job for one bucket; expected a prefix of {first.loc.bucket}"
            yield Problem(key, f"{text} as for {first.tag}, or events: eventbridge, got {given.url}")
        for other in spec.inputs[:number]:
            if _under(given.loc, other.loc) or _under(other.loc, given.loc):
                text = f"{given.loc.url} and {other.loc.url} of {other.tag} overlap"
                yield Problem(key, f"{text}, so an object could belong to both; {_MEND}")


def _apart(spec: JobSpec, name: str, watched: Loc, key: str) -> Iterator[Problem]:
    work, output = spec.work_loc, spec.output_loc
    endless = (
        f"lie under the watched input prefix {watched.url}, so each would start the job again without end"
    )
    if _under(output, watched):
        yield Problem("output.url", f"results in {output.url} {endless}; {_MEND}")
    if _under(keys.runs_prefix(work, name), watched):
        yield Problem("work.url", f"work files in {work.url} {endless}; {_MEND}")
    elif _under(watched, work):
        yield Problem(key, f"{watched.url} lies under {work.url}, which holds work files; {_MEND}")


# Beside other jobs


def _rules(spec: JobSpec, name: str) -> Iterator[tuple[Trigger, str, str]]:
    """All event rules of a job: (rule, the dotted key that it comes from, that key without a tag)."""
    for given in spec.inputs:
        yield of_input(spec, given), input_key(spec, given, "url"), "input.url"
    yield triggers(name, spec)["supervisor"], "work.url", "work.url"


def overlap(a: Trigger, b: Trigger) -> bool:
    """Whether S3 refuses the two rules together: one prefix begins, and one suffix ends, the other."""
    prefixes = a.prefix.startswith(b.prefix) or b.prefix.startswith(a.prefix)
    suffixes = a.suffix.endswith(b.suffix) or b.suffix.endswith(a.suffix)
    return a.bucket == b.bucket and prefixes and suffixes


def _show(trigger: Trigger) -> str:
    ending = f" with suffix {trigger.suffix!r}" if trigger.suffix else ""
    return f"s3://{trigger.bucket}/{trigger.prefix}{ending}"


def _clashes(spec: JobSpec, name: str, others: Mapping[str, JobSpec]) -> Iterator[Problem]:
    by_s3 = {other: theirs for other, theirs in others.items() if spec.events == theirs.events == "s3"}
    for mine, key, _ in _rules(spec, name):
        for other, theirs in sorted(by_s3.items()):
            for rule, _, place in _rules(theirs, other):
                if overlap(mine, rule):
                    text = f"watching {_show(mine)} overlaps with {_show(rule)}"
                    whose = f"which job {other} watches for its {place}"
                    mend = "S3 refuses that; give them prefixes or suffixes that do not overlap, or events: eventbridge"
                    yield Problem(key, f"{text}, {whose}; {mend}")


def _shared_totals(spec: JobSpec, others: Mapping[str, JobSpec]) -> Iterator[Problem]:
    """Two jobs may write results to one place, but each overwrites the other's totals there."""
    for other, theirs in sorted(others.items()):
        if spec.accumulate and theirs.accumulate and spec.output_loc == theirs.output_loc:
            text = f"job {other} keeps totals in {spec.output_loc.url} as well"
            yield Problem("output.url", f"{text}, where there is room for one {keys.TOTALS}; {_MEND}")


def _in_their_work(spec: JobSpec, name: str, others: Mapping[str, JobSpec]) -> Iterator[Problem]:
    """Work files expire, and what is written among them could pass for one."""
    for other, theirs in sorted(others.items()):
        if holder := _work_around(spec.output_loc, theirs, other):
            text = f"{spec.output.url} lies in {holder.url}, where job {other} keeps its work files"
            yield Problem("output.url", f"{text}; {_MEND}")
        if holder := _work_around(theirs.output_loc, spec, name):
            text = f"work files go to {holder.url}, around the results of job {other} in {theirs.output.url}"
            yield Problem("work.url", f"{text}; {_MEND}")


def _work_around(output: Loc, spec: JobSpec, name: str) -> Loc | None:
    """The part of the job's work place that `output` lies in, if it does."""
    work = spec.work_loc
    own = (keys.runs_prefix(work), keys.TotalsKeys(work, name).root)
    return next((place for place in own if _under(output, place)), None)


def _loops(spec: JobSpec, name: str, others: Mapping[str, JobSpec]) -> Iterator[Problem]:
    """The shortest way from this job's output through other jobs and back to its input, if there is one."""
    jobs = {**others, name: spec}

    def started_by(job: str) -> list[str]:
        output = jobs[job].output_loc
        return [
            other
            for other in sorted(jobs)
            if other != job and any(_under(output, given.loc) for given in jobs[other].inputs)
        ]

    paths, seen = [[name]], {name}
    for path in paths:
        for job in started_by(path[-1]):
            if job == name:
                text = (
                    f"results start other jobs that start this one: {' -> '.join([*path, name])}, without end"
                )
                yield Problem("output.url", f"{text}; give one of them an output that no earlier one watches")
                return
            if job not in seen:
                seen.add(job)
                paths.append([*path, job])
