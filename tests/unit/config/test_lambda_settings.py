"""What a job may say of its functions: each mistake at its key, with what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.config.deployment_settings import lambda_problems
from chalicelib.config.load import load_job
from chalicelib.core.deployment_spec import LambdaSpec
from chalicelib.core.errors import ConfigError

LAYER = "arn:aws:lambda:eu-west-1:123456789012:layer:numbers:3"
JOB = """\
job: words:Words
input: {url: "s3://in-a/x/"}
work: {url: "s3://work-b/"}
output: {url: "s3://out-c/"}
"""


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"subnets": "subnet-0a1b, subnet-2c", "security_groups": "sg-0a1b"},
        {"tags": {"team": "data", "cost-center": "4711"}, "environment": {"TZ": "UTC", "a_1": ""}},
        {"layers": f"{LAYER},{LAYER}", "log_retention": 0, "tracing": False, "ephemeral_storage": 10_240},
    ],
)
def test_what_is_right(given: dict[str, Any]) -> None:
    assert list(lambda_problems(LambdaSpec(**given))) == []


@pytest.mark.parametrize(
    ("given", "key", "part"),
    [
        ({"subnets": "subnet-0a"}, "lambda.security_groups", "missing; a network has both"),
        ({"security_groups": "sg-0a"}, "lambda.subnets", "missing; a network has both"),
        (
            {"subnets": "vpc-1", "security_groups": "sg-0a"},
            "lambda.subnets",
            "such as subnet-0a1b2c3d, got 'vpc-1'",
        ),
        (
            {"subnets": "subnet-0a", "security_groups": "x"},
            "lambda.security_groups",
            "such as sg-0a1b2c3d, got 'x'",
        ),
        ({"tags": {"team": 7}}, "lambda.tags.team", "expected text, got 7; put it in quotes"),
        ({"tags": {"team": "x" * 257}}, "lambda.tags.team", "at most 256 letters, got 257"),
        ({"tags": {"aws-x": "y"}}, "lambda.tags.aws-x", "does not begin with aws"),
        ({"tags": {f"t{n}": "" for n in range(50)}}, "lambda.tags", "at most 49, got 50"),
        ({"environment": {"N": "x"}}, "lambda.environment.N", "at least two letters"),
        ({"environment": {"FLAG": True}}, "lambda.environment.FLAG", "expected text, got True"),
        (
            {"environment": {"SLUICE_MEMORY_MAPPER": "1"}},
            "lambda.environment.SLUICE_MEMORY_MAPPER",
            "not beginning",
        ),
        ({"environment": {"AWS_REGION": "x"}}, "lambda.environment.AWS_REGION", "not beginning with AWS_"),
        (
            {"environment": {"BIG": "ü" * 1600}},
            "lambda.environment",
            "3072 bytes of names and values, got 3203",
        ),
        ({"role": "sluice"}, "lambda.role", "the ARN of a role, such as .* got 'sluice'"),
        ({"layers": "numbers"}, "lambda.layers", "the ARN of a version, .* got 'numbers'"),
        ({"layers": ",".join([LAYER] * 6)}, "lambda.layers", "at most 5, got 6"),
        ({"log_retention": 31}, "lambda.log_retention", "not for 31"),
    ],
)
def test_what_is_wrong(given: dict[str, Any], key: str, part: str) -> None:
    (problem,) = lambda_problems(LambdaSpec(**given))
    assert problem.key == key
    with pytest.raises(AssertionError, match=part):
        raise AssertionError(problem.text)


def load(tmp_path: Any, more: str) -> Any:
    (tmp_path / "jobs").mkdir(exist_ok=True)
    (tmp_path / "jobs" / "words.yml").write_text(JOB + more)
    return load_job("words", root=tmp_path, require_cloud=True)


def test_the_section_in_a_yaml(tmp_path: Any) -> None:
    (tmp_path / "sluice.yml").write_text("lambda: {tags: {team: data, stage: test}}\n")
    loaded = load(
        tmp_path,
        "concurrency: 50\n"
        "lambda:\n  tags: {stage: live}\n  environment: {TZ: UTC}\n"
        "  subnets: [subnet-0a, subnet-0b]\n  security_groups: sg-0a\n  tracing: true\n",
    )
    spec = loaded.spec.lambda_
    assert (spec.tags, spec.environment) == ({"team": "data", "stage": "live"}, {"TZ": "UTC"})
    assert (spec.subnet_ids, spec.security_group_ids, spec.layer_arns) == (
        ("subnet-0a", "subnet-0b"),
        ("sg-0a",),
        (),
    )
    assert (loaded.spec.concurrency, spec.tracing, spec.ephemeral_storage) == (50, True, None)
    assert loaded.provenance["lambda.tags.team"] == "sluice.yml:1"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("lambda: {tag: {a: b}}\n", "jobs/words.yml:5: lambda.tag: unknown key; did you mean 'lambda.tags'?"),
        (
            "lambda: {tags: {team: 7}}\n",
            "jobs/words.yml:5: lambda.tags.team: expected text, got 7; put it in quotes",
        ),
        ("lambda: {tags: team}\n", "jobs/words.yml:5: lambda.tags: expected a mapping, got 'team'"),
        ("concurrency: 0\n", "jobs/words.yml:5: concurrency: expected an integer >= 1, or null, got 0"),
        (
            "lambda: {ephemeral_storage: 100}\n",
            "jobs/words.yml:5: lambda.ephemeral_storage: expected an integer from 512 to 10240, or null, got 100",
        ),
    ],
)
def test_mistakes_in_a_yaml_are_told_with_their_line(tmp_path: Any, more: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, more)
    assert str(caught.value) == told
