"""What iamprover (by Z3, a solver) makes of policies. `second_opinion.py` runs it, with the Python of `make audit`.

Reads {"policies": {name: document}, "requests": [[name, action, resource, {condition key: value}]]} as JSON, and writes
whether each is allowed.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import z3
from iamprover.engine.context import Context
from iamprover.engine.encoder import allowed
from iamprover.model import Principal
from iamprover.parsers.iam import parse_policy_document

#: What a condition key is that a request does not have; no pattern of ours has it.
ABSENT = "(absent)"


def answer(who: Principal, action: str, resource: str, said: dict[str, str | None]) -> bool:
    context = Context()
    for key, value in said.items():
        context.string_vars[key.lower()] = z3.StringVal(ABSENT if value is None else value)
    # It folds the case of patterns of actions, and leaves the action's to us.
    verdict = z3.simplify(allowed(who, z3.StringVal(action.lower()), z3.StringVal(resource), context))
    if not (z3.is_true(verdict) or z3.is_false(verdict)):
        raise ValueError(f"{action} of {resource}: not decided: {verdict}")
    return z3.is_true(verdict)


def main() -> None:
    asked: dict[str, Any] = json.load(sys.stdin)
    roles = {
        name: Principal(
            arn=f"arn:aws:iam::123456789012:role/{name}", policies=[parse_policy_document(name, document)]
        )
        for name, document in asked["policies"].items()
    }
    verdicts = [answer(roles[name], *request) for name, *request in asked["requests"]]
    json.dump(verdicts, sys.stdout)


if __name__ == "__main__":
    main()
