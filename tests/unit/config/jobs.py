"""Configurations for the tests of what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chalicelib.config.check import problems
from chalicelib.core.spec import JobSpec


def job(
    input: str = "s3://in/a/",
    work: str = "s3://wrk/",
    output: str = "s3://out/",
    *,
    suffix: str = "",
    encoding: str = "utf-8",
    format: str = "text",
    **more: Any,
) -> JobSpec:
    source = {"url": input, "suffix": suffix, "encoding": encoding, "format": format}
    tree = {"job": "a:A", "input": source, "work": {"url": work}, "output": {"url": output}, **more}
    return msgspec.convert(tree, JobSpec)


def places(*args: str, **more: Any) -> JobSpec:
    """`job` with bucket names that are long enough."""
    return job(*(url.replace("s3://", "s3://bucket-") for url in args), **more)


GOOD = places("s3://in/a/", "s3://work/", "s3://out/")


def keys_of(spec: JobSpec, name: str = "a", others: Mapping[str, JobSpec] | None = None) -> list[str]:
    return [problem.key for problem in problems(spec, name, others)]
