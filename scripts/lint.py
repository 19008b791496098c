#!/usr/bin/env python
"""Tools of others: bandit on the code; parliament, cloudsplaining and cfn-lint on the policies of a deployment.

`make audit` runs it, with the tools in an environment of their own (requirements-audit.txt). What is judged are the
policies of jobs of every shape, as a deployment to an account of AWS writes them. Exit code 1 if any tool has found
anything.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec  # noqa: E402
from scripts.console.terminal import Parser, run_main, say  # noqa: E402
from scripts.deployment.policies import policies  # noqa: E402
from scripts.deployment.target import Target, Where  # noqa: E402

_WHERE = Where("aws", "us-east-1", "123456789012")
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
#: What tells jobs of different shapes apart, as far as policies know.
_SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "key": {"kms_key": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
    "totals": {"accumulate": True},
    "files": {"files": "s3://acme-shared/table.csv"},
}
#: Calls parliament for each file, and prints what it finds.
_PARLIAMENT = """
import sys
from parliament import analyze_policy_string
for name in sys.argv[1:]:
    for finding in analyze_policy_string(open(name).read()).findings:
        print(name, finding)
"""


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, policy document) of each function of a job of each shape."""
    for shape, more in _SHAPES.items():
        spec = JobSpec(
            job="acme:Job",
            input=InputSpec(url="s3://acme-in/data/"),
            work=PlaceSpec(url="s3://acme-work/w/"),
            output=OutputSpec(url="s3://acme-out/o/"),
            **more,
        )
        for function, document in policies(Target(name="acme", spec=spec, overrides={}), _WHERE).items():
            yield f"{shape}-{function}", document


def write(folder: Path) -> tuple[list[Path], Path]:
    """The policies, and a template with a role for each."""
    found, roles = [], {}
    for name, document in documents():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(document, indent=1), "utf-8")
        found.append(path)
        own = {"PolicyName": "own", "PolicyDocument": document}
        roles[name.replace("-", "")] = {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": _TRUST, "Policies": [own]},
        }
    template = folder / "roles.template.json"
    template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": roles}), "utf-8")
    return found, template


def judge(name: str, *argv: str, silent: str = "") -> bool:
    """Run a tool; False if it has found anything. `silent` is what it prints if it has not."""
    finished = subprocess.run(
        argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    told = (finished.stdout + finished.stderr).strip()
    good = not finished.returncode and told == silent
    say(f"{name}: {'nothing found' if good else 'found:'}", *([] if good else told.splitlines()))
    return good


def main(argv: Sequence[str]) -> int:
    parser = Parser(prog="lint.py", description="Judge the code and the policies by tools of others.")
    parser.add_argument(
        "bin", type=Path, metavar="BIN", help="the folder of the tools, such as .venv-audit/bin"
    )
    tools = parser.parse_args(argv).bin.absolute()
    code = ["chalicelib", "scripts", "jobs", "app.py"]
    with tempfile.TemporaryDirectory(prefix="sluice-audit-") as folder:
        found, template = write(Path(folder))
        names = [str(path) for path in found]
        good = [
            judge("bandit", str(tools / "bandit"), "-q", "-r", "-c", "pyproject.toml", *code),
            judge("parliament", str(tools / "python"), "-c", _PARLIAMENT, *names),
            judge("cfn-lint", str(tools / "cfn-lint"), str(template)),
        ]
        for name in names:
            argv = [str(tools / "cloudsplaining"), "scan-policy-file", "--input-file", name]
            good.append(
                judge(f"cloudsplaining, {Path(name).stem}", *argv, silent="There were no results found.")
            )
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
