"""A second opinion on the policies, conditions included: our own reading of IAM beside iamprover's, by a solver.

`make audit` runs it: `python -m tests.security.second_opinion .venv-audit/bin/python`. Both must judge alike each call
of the denied-call tests by each function, with owners, prefixes and services that ask in its stead. Of the same
policies without their conditions the solver must allow more, or it does not see conditions.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from scripts.deployment.policies import policies
from scripts.deployment.target import FUNCTIONS, Json, Target, Where, function_name
from tests.security.test_denied import (
    ACTIONS,
    ARNS,
    ELSE,
    FOREIGN,
    IN,
    OUT,
    SPEC,
    STRANGERS,
    WORK,
    without_conditions,
)
from tests.unit.scripts.test_policies import allowed, object_arn

ACCOUNT, STRANGER = "123456789012", "999999999999"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
S3 = "s3.us-east-1.amazonaws.com"
WHERE = Where("aws", "us-east-1", ACCOUNT)
DOCUMENTS: dict[str, Json] = {
    **policies(Target(name="words", spec=replace(SPEC, kms_key=KEY), overrides={}), WHERE)
}
PREFIXES = (None, "", "w", "w/runs/", "w/runs/words/", "w/runs/words/r/", "w/runs/words2/", "dat", "data/", "data/x",
            "words/", "words", "others/")  # fmt: skip

Said = dict[str, str | None]


def resources() -> Iterator[str]:
    yield from (object_arn(loc) for loc in FOREIGN.values())
    for prefix in ARNS:
        for name in (*STRANGERS, *(function_name("words", function) for function in FUNCTIONS)):
            yield prefix + name
    for account in (ACCOUNT, STRANGER):
        for name in FUNCTIONS:
            group = f"/aws/lambda/{function_name('words', name)}"
            yield f"arn:aws:logs:us-east-1:{account}:log-group:{group}:log-stream:x"
    yield from (KEY, KEY.replace(ACCOUNT, STRANGER), KEY[:-1] + "1", KEY.replace("us-east-1", "eu-west-1"))


def requests() -> Iterator[tuple[str, str, str, Said]]:
    """(function, action, resource, what the request says)."""
    for function in FUNCTIONS:
        for action in (*ACTIONS, "kms:GenerateDataKey"):
            for resource in resources():
                vias = (S3, None, "lambda.us-east-1.amazonaws.com") if action.startswith("kms") else (S3,)
                for owner in (ACCOUNT, STRANGER):
                    for via in vias:
                        yield function, action, resource, said(None, owner, via)
        for bucket in (IN, WORK, OUT, ELSE):
            for prefix in PREFIXES:
                for owner in (ACCOUNT, STRANGER):
                    yield function, "s3:ListBucket", f"arn:aws:s3:::{bucket}", said(prefix, owner, None)


def said(prefix: str | None, owner: str | None, via: str | None) -> Said:
    return {"s3:prefix": prefix, "aws:ResourceAccount": owner, "kms:ViaService": via}


def second(python: Path, documents: dict[str, Json], some: list[tuple[str, str, str, Said]]) -> list[bool]:
    """What the solver answers."""
    finished = subprocess.run(
        [python, Path(__file__).with_name("solver.py")],
        input=json.dumps({"policies": documents, "requests": some}),
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise SystemExit(finished.stderr)
    found: list[bool] = json.loads(finished.stdout)
    return found


def main(python: Path) -> int:
    some = list(requests())
    theirs = second(python, DOCUMENTS, some)
    ours = [
        allowed(DOCUMENTS[function], action, resource, *context.values())  # type: ignore[arg-type]
        for function, action, resource, context in some
    ]
    differ = [
        f"{request}: we say {one}"
        for request, one, other in zip(some, ours, theirs, strict=True)
        if one != other
    ]
    bare = {name: without_conditions(document) for name, document in DOCUMENTS.items()}
    more = sum(second(python, bare, some)) - sum(theirs)
    print(
        f"iamprover: {len(some):,} requests, {sum(theirs):,} allowed ({more:,} more without conditions),"
        f" {len(differ)} judged otherwise by us"
    )
    for told in differ:
        print("  ", told)
    return 1 if differ or more <= 0 or not any(theirs) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
