"""Each function may do what its handler does, seen in a simulation of whole runs, and little else.

The emulator enforces no policies, so this stands in for the account: a small reading of IAM's rules
(allow only, wildcards, the conditions that occur) that shares nothing with the code that writes the policies.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import Job, Range, Sum
from chalicelib.core.deployment_spec import NotifySpec
from chalicelib.core.ports import FunctionName, Loc
from chalicelib.core.spec import BadRecordsSpec, InputSpec, JobSpec, ShuffleSpec
from chalicelib.run.job_code import Shape
from scripts.deployment.policies import may_start, policies
from scripts.deployment.target import FUNCTIONS, Json, Target, Where, told_of_failures
from tests.worlds.simulation import Simulation, spec

pytestmark = pytest.mark.slow

Request = tuple[str, str, str, str | None]  # function, action, resource, s3:prefix

ACTIONS = {
    "head": ["s3:GetObject"],
    "get": ["s3:GetObject"],
    "stream": ["s3:GetObject"],
    "put": ["s3:PutObject"],
    "put_if_absent": ["s3:PutObject", "s3:GetObject"],  # a 412 is decided by reading the object back
    "put_if_match": ["s3:PutObject", "s3:GetObject"],
    "writer": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
}


def matches(patterns: str | list[str], text: str) -> bool:
    several = [patterns] if isinstance(patterns, str) else patterns
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) for pattern in several
    )


def holds(condition: Json, request: dict[str, str | None]) -> bool:
    """A condition about what a request does not say fails."""
    for operator, keys in condition.items():
        assert operator in ("StringLike", "StringEquals")
        for name, wanted in keys.items():
            said = request[name]
            if said is None or not (matches(wanted, said) if operator == "StringLike" else said == wanted):
                return False
    return True


def allowed(
    policy: Json,
    action: str,
    resource: str,
    prefix: str | None = None,
    owner: str = "123456789012",
    via: str | None = "s3.eu-west-1.amazonaws.com",
) -> bool:
    """`owner` is the resource's account, `via` the service that asks on the function's behalf."""
    request = {"s3:prefix": prefix, "aws:ResourceAccount": owner, "kms:ViaService": via}
    return any(
        statement["Effect"] == "Allow"
        and matches(statement["Action"], action)
        and matches(statement["Resource"], resource)
        and holds(statement.get("Condition", {}), request)
        for statement in policy["Statement"]
    )


def object_arn(loc: Loc) -> str:
    return f"arn:aws:s3:::{loc.bucket}/{loc.key}"


class Observed(Simulation):
    """A simulation that notes what each function asks of S3 and Lambda."""

    def __init__(self, job: type[Any], job_spec: JobSpec, scratch: Path, **events: Any) -> None:
        super().__init__(job, job_spec, scratch, **events)
        self.seen: set[Request] = set()
        self.running: str | None = None
        self.memory = _Spy(self.memory, self)  # type: ignore[assignment]

    def note(self, action: str, resource: str, prefix: str | None = None) -> None:
        if self.running:
            self.seen.add((self.running, action, resource, prefix))

    def deliver(self, function: str, payload: dict[str, Any]) -> None:
        self.note("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:1:function:sluice-job-{function}")
        super().deliver(function, payload)

    def _created(self, loc: Loc) -> None:
        running, self.running = self.running, None  # S3 itself starts what an object starts
        super()._created(loc)
        self.running = running

    def _handle(self, function: str, payload: dict[str, Any]) -> None:
        running, self.running = self.running, function
        try:
            super()._handle(function, payload)
        finally:
            self.running = running


class _Spy:
    def __init__(self, memory: Any, observed: Observed) -> None:
        self._memory = memory
        self._observed = observed

    def list(self, prefix: Loc, after: str = "") -> Any:
        self._observed.note("s3:ListBucket", f"arn:aws:s3:::{prefix.bucket}", prefix.key)
        return self._memory.list(prefix, after)

    def delete(self, bucket: str, keys: Any) -> None:
        found = list(keys)
        for key in found:
            self._observed.note("s3:DeleteObject", object_arn(Loc(bucket, key)))
        self._memory.delete(bucket, found)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._memory, name)
        if name not in ACTIONS:
            return method

        def noted(loc: Loc, *args: Any, **kwargs: Any) -> Any:
            for action in ACTIONS[name]:
                self._observed.note(action, object_arn(loc))
            if "s3:GetObject" in ACTIONS[name]:  # of a 403, the store asks whether the object is missing
                self._observed.note("s3:ListBucket", f"arn:aws:s3:::{loc.bucket}", loc.key)
            return method(loc, *args, **kwargs)

        return noted


class Words(Job):
    def mapper(self, _: None, line: str) -> Any:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Broken(Job):
    """Its tasks are tried again, in vain."""

    def mapper(self, _: None, line: str) -> Any:
        raise OSError(line)


TEXT = b"".join(b"%d %d\n" % (number % 7, number) for number in range(400))


def whole_run(
    job: type[Job], tmp_path: Path, drops: dict[str, bytes], *, duplicates: bool = False, **figures: Any
) -> set[Request]:
    job_spec = spec(split_size=64, reduce_size=256, partitions=16, **figures)
    observed = Observed(job, job_spec, tmp_path, duplicates=duplicates)
    for key, body in drops.items():
        observed.drop(key, body)
    observed.run()
    assert observed.output(), "the run must have ended"
    return observed.seen


def forbidden(seen: set[Request], job_spec: JobSpec) -> list[Request]:
    documents = policies(Target(name="job", spec=job_spec, overrides={}))
    return sorted(
        (request for request in seen if not allowed(documents[request[0]], *request[1:])),
        key=str,  # type: ignore[index]
    )


def test_a_run_that_succeeds_may_do_all_it_does(tmp_path: Path) -> None:
    seen = whole_run(Words, tmp_path, {"a b.txt": TEXT, "c.txt": b""})
    assert {function for function, *_ in seen} == set(FUNCTIONS)
    assert (
        "mapper",
        "lambda:InvokeFunction",
        "arn:aws:lambda:eu-west-1:1:function:sluice-job-mapper",
        None,
    ) in seen
    assert forbidden(seen, spec()) == []


@pytest.mark.parametrize("supervisors", [None, 0])
def test_a_shuffle_of_two_levels_may_do_all_it_does(tmp_path: Path, supervisors: int | None) -> None:
    """Everything twice, so that there are attempts that come too late."""
    two = spec(split_size=200, reduce_size=256, partitions=16, shuffle=ShuffleSpec(levels="2"))
    observed = Observed(Words, two, tmp_path, duplicates=True, seats=supervisors)
    observed.drop("a.txt", TEXT)
    observed.run()
    assert "_SUCCESS" in observed.output()
    written = {
        (function, action) for function, action, resource, _ in observed.seen if "/exchange/" in resource
    }
    assert {
        ("reducer", "s3:PutObject"),
        ("reducer", "s3:DeleteObject"),
        ("supervisor", "s3:PutObject"),
    } <= written
    assert forbidden(observed.seen, two) == []


@pytest.mark.parametrize(
    ("secret", "reads"),
    [
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:hook-AbCdEf", "secretsmanager:GetSecretValue"),
        ("arn:aws:ssm:eu-west-1:123456789012:parameter/hook", "ssm:GetParameter"),
    ],
)
def test_a_supervisor_may_tell_whom_the_job_names_and_nobody_else(
    secret: str, reads: str, tmp_path: Path
) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:runs"
    notify = NotifySpec(topic=topic, bus="own", webhook="https://example.com/", secret=secret)
    telling = spec(notify=notify, split_size=64, partitions=4)
    observed = Observed(Words, telling, tmp_path)
    told: list[str] = []
    observed.tell = lambda _, notice: told.append(notice.outcome)
    observed.drop("a.txt", TEXT)
    observed.run()
    assert told == ["success"]
    assert forbidden(observed.seen, telling) == []
    silent = forbidden(observed.seen, spec(split_size=64, partitions=4))
    assert {resource.rpartition("/")[2] for _, _, resource, _ in silent} == {"told"}

    where = Where(account="123456789012", region="eu-west-1")
    documents = policies(Target(name="job", spec=telling, overrides={}), where)
    bus = "arn:aws:events:eu-west-1:123456789012:event-bus/own"
    for function in FUNCTIONS:
        for action, resource in (("sns:Publish", topic), ("events:PutEvents", bus), (reads, secret)):
            assert allowed(documents[function], action, resource) == (function == "supervisor")
            assert not allowed(documents[function], action, f"{resource}2")


@pytest.mark.parametrize("lifetime", [300.0, 10.0])
def test_a_mapper_that_brings_small_runs_to_their_end_may_do_that(tmp_path: Path, lifetime: float) -> None:
    """Out of time in its reduce task, it calls a reducer. Where mappers do none of it, their role allows none of it."""
    place: list[Observed] = []

    class Slow(Words):
        def reducer(self, key: str, values: Any) -> Any:
            place[0].time += 1.7
            yield key, sum(values)

    in_time = lifetime == 300.0
    observed = Observed(Slow, spec(), tmp_path, seats=0, lifetime=lifetime, duplicates=in_time)
    place.append(observed)
    observed.drop("a.txt", b"a b c d e f g h\n")
    observed.run()
    assert "_SUCCESS" in observed.output()
    asked = {(action, resource) for function, action, resource, _ in observed.seen if function == "mapper"}
    reducer = ("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:1:function:sluice-job-reducer")
    assert (reducer in asked) != in_time
    documents = policies(Target(name="job", spec=spec(), overrides={}, shape=Shape(small=True)))
    assert [one for one in observed.seen if not allowed(documents[one[0]], *one[1:])] == []  # type: ignore[index]
    assert {function for function, *_ in forbidden(observed.seen, spec())} == {"mapper"}


def test_a_supervisor_may_start_what_stood_still_since_it_was_planned(tmp_path: Path) -> None:
    how = {"seats": 0, "retries": 0, "reports": False, "before": True}
    observed = Observed(Words, spec(split_size=64), tmp_path, kill_at=[4], **how)
    observed.drop("a.txt", TEXT)
    observed.run()
    assert observed.killed == ["coordinator"], "before it could call the mapper"
    assert observed.invocations["mapper"] == 0

    def later() -> None:
        observed.time += 200.0

    observed.when(lambda: observed.invocations["mapper"] > 0, later)
    observed.drop("b.txt", TEXT)
    observed.run()
    assert sum(key.endswith("/_SUCCESS") for key in observed.objects()) == 2
    written = {resource for function, action, resource, _ in observed.seen
               if (function, action) == ("supervisor", "s3:PutObject")}  # fmt: skip
    assert any(resource.endswith("/plan.done") for resource in written)
    assert forbidden(observed.seen, spec()) == []


def test_runs_that_sleep_until_it_is_their_turn_may_do_all_they_do(tmp_path: Path) -> None:
    """Several at once, whose events come in any order, so that some find the turn taken."""
    totals = spec(accumulate=True, split_size=64, partitions=2)
    observed = Observed(Words, totals, tmp_path, seats=0, seed=1)
    for number in range(6):
        observed.drop(f"{number}.txt", TEXT[:200])
    observed.run()
    assert sum(key.endswith("/_SUCCESS") for key in observed.objects()) == 6
    assert {action for _, action, resource, _ in observed.seen if "/asleep/" in resource} >= {
        "s3:PutObject",
        "s3:DeleteObject",
    }
    of_totals = {one for one in observed.seen if "/totals/" in one[2] or "/totals/" in (one[3] or "")}
    assert forbidden({one for one in of_totals if one[0] == "supervisor"}, totals) == []


def test_losers_may_remove_what_they_wrote(tmp_path: Path) -> None:
    seen = whole_run(Words, tmp_path, {"a.txt": TEXT}, duplicates=True)
    assert ("mapper", "s3:DeleteObject") in {(function, action) for function, action, *_ in seen}
    assert forbidden(seen, spec()) == []


def test_a_run_that_fails_may_do_all_it_does(tmp_path: Path) -> None:
    seen = whole_run(Broken, tmp_path, {"a.txt": b"x\n"}, max_attempts=2)
    assert {action for function, action, *_ in seen if function == "supervisor"} >= {"lambda:InvokeFunction"}
    assert forbidden(seen, spec()) == []


def test_groups_that_are_set_aside_may_be(tmp_path: Path) -> None:
    class Fragile(Words):
        def reducer(self, key: str, values: Any) -> Any:
            if key == "3":
                raise ValueError(key)
            yield key, sum(values)

    bad = BadRecordsSpec(policy="quarantine", max=1000, max_fraction=1.0)
    seen = whole_run(Fragile, tmp_path, {"a.txt": TEXT}, bad_records=bad, duplicates=True)
    assert [
        resource
        for function, action, resource, _ in seen
        if "/quarantine/reduce-" in resource and action == "s3:PutObject"
    ]
    assert forbidden(seen, spec()) == []


def test_a_run_over_a_manifest_may_do_all_it_does(tmp_path: Path) -> None:
    listed = {
        "a.txt": TEXT,
        "go.manifest": b"s3://in/data/a.txt\n",
        "_READY": b"",
        "x.manifest": b"s3://in/none\n",
    }
    seen = whole_run(Words, tmp_path, listed, trigger="marker")
    nothing_of_ours = [
        request for request in forbidden(seen, spec()) if "in/none" not in request[2] and request[3] != "none"
    ]
    assert nothing_of_ours == []


def test_attempts_that_run_out_of_time_may_go_on_elsewhere(tmp_path: Path) -> None:
    """In both phases, each invocation of which starts the next."""
    place: list[Observed] = []

    class Slow(Job):
        def mapper(self, _: None, line: str) -> Any:
            place[0].time += 1.7
            for word in line.split():
                yield word, 1

        def reducer(self, key: str, values: Any) -> Any:
            place[0].time += 1.7
            yield key, sum(values)

    observed = Observed(Slow, spec(partitions=4), tmp_path, lifetime=10.0)
    place.append(observed)
    observed.drop("a.txt", TEXT[:600])
    observed.run()
    assert "_SUCCESS" in observed.output()
    wrote = {
        (function, resource.rpartition(".")[2])
        for function, action, resource, _ in observed.seen
        if action == "s3:PutObject"
    }
    assert wrote >= {("mapper", "next"), ("reducer", "next"), ("reducer", "piece")}
    assert forbidden(observed.seen, spec()) == []


class Ordered(Job):
    """Its coordinator reads samples of the input."""

    partitioner = Range()

    def mapper(self, _: None, line: str) -> Any:
        if line.startswith("3 "):
            raise ValueError(line)
        yield line, 1


def test_bad_records_samples_and_killed_invocations_need_no_more(tmp_path: Path) -> None:
    bad = BadRecordsSpec(policy="quarantine", max=1000, max_fraction=1.0)
    for kill in range(10, 200, 10):
        observed = Observed(
            Ordered,
            spec(split_size=400, partitions=4, bad_records=bad),
            tmp_path,
            kill_at=[kill],
            duplicates=True,
        )
        observed.drop("a.txt", TEXT)
        observed.run()
        assert "_SUCCESS" in observed.output()
        assert forbidden(observed.seen, spec()) == []
    assert any("/quarantine/" in resource for _, _, resource, _ in observed.seen)


#: All of the last one is the job's own.
BUCKETS = ("in", "work", "out")
EVERYTHING = Target(name="job", spec=spec(), overrides={})


@pytest.mark.parametrize(
    ("function", "action", "resource", "prefix"),
    [
        ("coordinator", "s3:PutObject", "arn:aws:s3:::in/data/a.txt", None),
        ("coordinator", "s3:DeleteObject", "arn:aws:s3:::work/runs/job/r/plan.json", None),
        ("coordinator", "s3:PutObject", "arn:aws:s3:::work/runs/job/r/map/000001.done", None),
        ("coordinator", "s3:PutObject", "arn:aws:s3:::out/job/r/part-00000.tsv", None),
        ("mapper", "s3:PutObject", "arn:aws:s3:::out/job/r/part-00000.tsv", None),
        ("mapper", "s3:GetObject", "arn:aws:s3:::in/private/a.txt", None),
        ("mapper", "s3:DeleteObject", "arn:aws:s3:::in/data/a.txt", None),
        ("mapper", "s3:ListBucket", "arn:aws:s3:::work", ""),
        *((function, "s3:ListBucket", f"arn:aws:s3:::{b}", None) for function in FUNCTIONS for b in BUCKETS),
        *(
            (function, "s3:ListBucket", f"arn:aws:s3:::{b}", "")
            for function in FUNCTIONS
            for b in BUCKETS[:2]
        ),
        ("mapper", "s3:ListBucket", "arn:aws:s3:::work", "runs/jobless/"),
        ("mapper", "s3:PutObject", "arn:aws:s3:::work/runs/job/r/run.done", None),
        ("mapper", "s3:PutObject", "arn:aws:s3:::work/runs/job/r/plan.json", None),
        ("mapper", "s3:DeleteObject", "arn:aws:s3:::work/runs/job/r/reduce/00000.done", None),
        ("supervisor", "s3:PutObject", "arn:aws:s3:::work/runs/job/r/map/000001.done", None),
        ("reducer", "s3:PutObject", "arn:aws:s3:::work/runs/job/r/map/000001.done", None),
        ("mapper", "s3:GetObject", "arn:aws:s3:::work/runs/jobless/r/plan.json", None),
        ("supervisor", "s3:GetObject", "arn:aws:s3:::in/data/a.txt", None),
        ("reducer", "s3:GetObject", "arn:aws:s3:::in/data/a.txt", None),
        ("reducer", "s3:DeleteObject", "arn:aws:s3:::out/job/r/part-00000.tsv", None),
        ("reducer", "s3:DeleteObject", "arn:aws:s3:::work/runs/job/r/map/000001.0.aa.run", None),
        ("reducer", "s3:GetObject", "arn:aws:s3:::work/runs/another/r/plan.json", None),
        (
            "reducer",
            "lambda:InvokeFunction",
            "arn:aws:lambda:eu-west-1:1:function:sluice-other-reducer",
            None,
        ),
        *(
            (
                function,
                "lambda:InvokeFunction",
                "arn:aws:lambda:eu-west-1:1:function:sluice-job-coordinator",
                None,
            )
            for function in ("coordinator", "mapper", "reducer")
        ),
        ("mapper", "lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:1:function:sluice-job-reducer", None),
        (
            "mapper",
            "lambda:InvokeFunction",
            "arn:aws:lambda:eu-west-1:1:function:sluice-jobs-supervisor",
            None,
        ),
        ("mapper", "s3:PutBucketPolicy", "arn:aws:s3:::work", None),
        (
            "mapper",
            "logs:PutLogEvents",
            "arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/x:log-stream:y",
            None,
        ),
    ],
)
def test_what_no_handler_needs_is_forbidden(
    function: FunctionName, action: str, resource: str, prefix: str | None
) -> None:
    assert not allowed(policies(EVERYTHING)[function], action, resource, prefix)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_all_inputs_and_side_files_may_be_read_and_nothing_beside_them(function: FunctionName) -> None:
    more = (InputSpec(url="s3://in/second/", tag="b"), InputSpec(url="s3://elsewhere/third/", tag="c"))
    job_spec = replace(
        spec(input={"tag": "a"}, files="table.csv, s3://refs/geo/countries.csv"), more_inputs=more
    )
    policy = policies(Target(name="job", spec=job_spec, overrides={}))[function]
    reads_input = function in ("coordinator", "mapper")
    for url in ("in/data/a.txt", "in/second/a.txt", "elsewhere/third/a.txt"):
        assert allowed(policy, "s3:GetObject", f"arn:aws:s3:::{url}") == reads_input
        assert not allowed(policy, "s3:PutObject", f"arn:aws:s3:::{url}")
    side_file = "arn:aws:s3:::refs/geo/countries.csv"
    assert allowed(policy, "s3:GetObject", side_file) == (function != "supervisor")
    assert not allowed(policy, "s3:PutObject", side_file)
    for url in ("in/other/a.txt", "elsewhere/a.txt", "refs/geo/countries.csv2", "refs/geo/b.csv"):
        assert not allowed(policy, "s3:GetObject", f"arn:aws:s3:::{url}")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_users_own_key_may_be_used_and_no_other(function: FunctionName) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"
    with_key = policies(Target(name="job", spec=spec(kms_key=key), overrides={}))[function]
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert allowed(with_key, action, key)
        assert not allowed(with_key, action, key + "0")
        assert not allowed(policies(EVERYTHING)[function], action, key)
    assert not allowed(with_key, "kms:ScheduleKeyDeletion", key)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_may_write_its_own_log(function: FunctionName) -> None:
    group = f"arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/sluice-job-{function}"
    policy = policies(EVERYTHING)[function]
    assert allowed(policy, "logs:CreateLogStream", f"{group}:log-stream:2026/11/21")
    assert allowed(policy, "logs:PutLogEvents", f"{group}:log-stream:2026/11/21")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_lambda_may_tell_of_what_has_failed_in_the_name_of_each_role(function: FunctionName) -> None:
    """A destination is sent to by the role of the function that failed, and no function may be its own."""
    told = told_of_failures(function)
    assert told != function
    arn = "arn:aws:lambda:eu-west-1:1:function:sluice-job-"
    assert allowed(policies(EVERYTHING)[function], "lambda:InvokeFunction", f"{arn}{told}")


# ------------------------------------------------------------------ account and region

HERE = Where("aws", "eu-west-1", "123456789012")
REQUESTS = [
    ("coordinator", "s3:GetObject", "arn:aws:s3:::in/data/a.txt", None),
    ("coordinator", "s3:ListBucket", "arn:aws:s3:::in", "data/"),
    ("mapper", "s3:PutObject", "arn:aws:s3:::work/runs/job/r/map/000001.done", None),
    ("mapper", "s3:DeleteObject", "arn:aws:s3:::work/runs/job/r/map/000001.0.aa.run", None),
    ("supervisor", "s3:ListBucket", "arn:aws:s3:::work", "runs/job/r/map/"),
    ("supervisor", "s3:PutObject", "arn:aws:s3:::out/job/r/_SUCCESS", None),
    ("reducer", "s3:PutObject", "arn:aws:s3:::out/job/r/part-00000.tsv", None),
]


@pytest.mark.parametrize(("function", "action", "resource", "prefix"), REQUESTS)
def test_a_bucket_of_somebody_else_is_out_of_reach(
    function: FunctionName, action: str, resource: str, prefix: str | None
) -> None:
    """Names of buckets are shared by all of AWS: one of ours that was deleted may be theirs."""
    policy = policies(EVERYTHING, HERE)[function]
    assert allowed(policy, action, resource, prefix)
    assert not allowed(policy, action, resource, prefix, owner="999999999999")


def test_a_side_file_may_be_anybodys() -> None:
    job_spec = spec(files="s3://refs/geo/countries.csv")
    documents = policies(Target(name="job", spec=job_spec, overrides={}), HERE)
    for function in ("coordinator", "mapper", "reducer"):
        policy = documents[function]  # type: ignore[index]
        assert allowed(policy, "s3:GetObject", "arn:aws:s3:::refs/geo/countries.csv", owner="999999999999")
        assert not allowed(
            policy, "s3:PutObject", "arn:aws:s3:::refs/geo/countries.csv", owner="999999999999"
        )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_and_logs_are_of_this_account_and_region(function: FunctionName) -> None:
    policy = policies(EVERYTHING, HERE)[function]
    places = ("aws:{}:eu-west-1:123456789012", "aws:{}:eu-west-1:9", "aws:{}:us-east-1:123456789012",
              "aws-cn:{}:eu-west-1:123456789012")  # fmt: skip
    started = may_start(function)[0]
    for here, place in zip((True, False, False, False), places, strict=True):
        invoked = f"arn:{place.format('lambda')}:function:sluice-job-{started}"
        group = f"arn:{place.format('logs')}:log-group:/aws/lambda/sluice-job-{function}"
        assert allowed(policy, "lambda:InvokeFunction", invoked) == here
        assert allowed(policy, "logs:PutLogEvents", f"{group}:log-stream:x") == here


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_deployed_policy_leaves_no_account_or_region_open(function: FunctionName) -> None:
    for statement in policies(EVERYTHING, HERE)[function]["Statement"]:
        for resource in statement["Resource"]:
            _, partition, service, region, account, _ = resource.split(":", 5)
            assert partition == "aws"
            assert (region, account) == (("", "") if service == "s3" else ("eu-west-1", "123456789012"))
            if service == "s3":
                assert statement["Condition"]["StringEquals"] == {"aws:ResourceAccount": "123456789012"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_users_key_is_used_by_way_of_s3_only(function: FunctionName) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd"
    policy = policies(Target(name="job", spec=spec(kms_key=key), overrides={}), HERE)[function]
    assert allowed(policy, "kms:Decrypt", key, via="s3.eu-west-1.amazonaws.com")
    for via in (None, "s3.us-east-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com"):
        assert not allowed(policy, "kms:Decrypt", key, via=via)
    china = policies(
        Target(name="job", spec=spec(kms_key=key), overrides={}), Where("aws-cn", "cn-north-1", "1")
    )
    assert allowed(china[function], "kms:Decrypt", key, via="s3.cn-north-1.amazonaws.com.cn")
