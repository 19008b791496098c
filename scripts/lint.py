#!/usr/bin/env python
"""Tools of others: bandit and semgrep on the code; parliament, cloudsplaining, cfn-lint and checkov on policies.

cfn-lint also judges the templates that `deploy.py --package` writes.

`make audit` runs it, with the tools in environments of their own (requirements-audit.txt, requirements-scanners.txt).
What is judged are the policies of jobs of every shape, as a deployment to an account of AWS writes them. Exit code 1 if
any tool has found anything, or if a rule of semgrep's (semgrep.yml) no longer finds what it is there for.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from chalicelib.core.deployment_spec import LambdaSpec  # noqa: E402
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec  # noqa: E402
from scripts.console.terminal import Parser, run_main, say  # noqa: E402
from scripts.deployment.policies import policies  # noqa: E402
from scripts.deployment.target import Target, Where  # noqa: E402
from scripts.deployment.templates import cloudformation  # noqa: E402
from scripts.deployment.templates.contents import contents, plan  # noqa: E402

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
#: All that Lambda, clocks and shares add to a template.
_CLOCKS: dict[str, Any] = {
    "events": "eventbridge",
    "trigger": "every 15m",
    "audit": 3600,
    "concurrency": 5,
    "lambda_": LambdaSpec(
        tags={"team": "data"},
        environment={"TZ": "UTC"},
        subnets="subnet-0a1b2c3d",
        security_groups="sg-0a1b2c3d",
        layers="arn:aws:lambda:eu-west-1:123456789012:layer:numbers:3",
        log_retention=90,
        tracing=True,
        ephemeral_storage=2048,
    ),
}
#: Code that each of semgrep's rules has to find.
_FORBIDDEN = ROOT / "tests/security/forbidden.txt"
#: No tool asks anybody else.
_SEMGREP = ("scan", "--metrics=off", "--disable-version-check", "--quiet", "--config", "scripts/semgrep.yml")
_CHECKOV = ("--framework", "cloudformation", "--quiet", "--compact", "--skip-download", "-o", "json")
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
        target = Target(name="acme", spec=_spec(**more), overrides={})
        for function, document in policies(target, _WHERE).items():
            yield f"{shape}-{function}", document


def _spec(**more: Any) -> JobSpec:
    return JobSpec(
        job="acme:Job",
        input=InputSpec(url="s3://acme-in/data/"),
        work=PlaceSpec(url="s3://acme-work/w/"),
        output=OutputSpec(url="s3://acme-out/o/"),
        **more,
    )


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


def templates(folder: Path) -> list[Path]:
    """What `deploy.py --package` writes for a job of each shape, with buckets that exist and with its own."""
    found = []
    for shape, more in {**_SHAPES, "bus": {"events": "eventbridge"}, "clocks": _CLOCKS}.items():
        target = Target(name="acme", spec=_spec(**more), overrides={})
        for own in ((), tuple(target.buckets)):
            steps = plan(target, cloudformation.WHERE, own, None, 900, 7)
            path = folder / f"package-{shape}-{len(own)}.template.json"
            path.write_text(json.dumps(cloudformation.template(contents(target, steps), "code.zip")), "utf-8")
            found.append(path)
    return found


def judge(name: str, *argv: str, silent: str = "") -> bool:
    """Run a tool; False if it has found anything. `silent` is what it prints if it has not."""
    code, told = _run(*argv)
    return _tell(name, [] if not code and told == silent else told.splitlines() or [f"exit code {code}"])


def _run(*argv: str) -> tuple[int, str]:
    done = subprocess.run(
        argv, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def _tell(name: str, found: Sequence[str], good: str = "nothing found") -> bool:
    say(f"{name}: {'found:' if found else good}", *found)
    return not found


def rules_work(semgrep: Path, folder: Path) -> bool:
    """Whether each rule finds its example; one that finds nothing would be a check that cannot fail."""
    example = folder / "forbidden.py"
    example.write_text(_FORBIDDEN.read_text("utf-8"), "utf-8")
    text = _run(str(semgrep), *_SEMGREP, "--json", str(example))[1]
    found = {result["check_id"].rpartition(".")[2] for result in json.loads(text)["results"]}
    rules = re.findall(r"^  - id: (\S+)$", (ROOT / "scripts/semgrep.yml").read_text("utf-8"), re.MULTILINE)
    idle = [f"{rule} does not find its example" for rule in rules if rule not in found]
    return _tell("semgrep.yml", idle, good="each rule finds its example")


def judge_template(checkov: Path, template: Path) -> bool:
    """Checkov says how many checks the template has passed: none would mean that it has read nothing."""
    text = _run(str(checkov), *_CHECKOV, "-f", str(template))[1]
    try:
        found = json.loads(text)
    except ValueError:
        return _tell("checkov", text.splitlines())
    failed = [
        f"{one['check_id']} {one['resource']}: {one['check_name']}"
        for one in found["results"]["failed_checks"]
    ]
    if not found["summary"]["passed"]:
        failed.append("it has made no check")
    return _tell("checkov", failed)


def main(argv: Sequence[str]) -> int:
    parser = Parser(prog="lint.py", description="Judge the code and the policies by tools of others.")
    parser.add_argument(
        "bin", type=Path, metavar="BIN", help="the folder of the tools, such as .venv-audit/bin"
    )
    parser.add_argument(
        "scanners", type=Path, help="the folder of semgrep and checkov, such as .venv-scanners/bin"
    )
    options = parser.parse_args(argv)
    tools, scanners = options.bin.absolute(), options.scanners.absolute()
    code = ["chalicelib", "scripts", "jobs", "examples", "app.py"]
    with tempfile.TemporaryDirectory(prefix="sluice-audit-") as folder:
        found, template = write(Path(folder))
        names = [str(path) for path in found]
        good = [
            judge("bandit", str(tools / "bandit"), "-q", "-r", "-c", "pyproject.toml", *code),
            judge("parliament", str(tools / "python"), "-c", _PARLIAMENT, *names),
            judge("cfn-lint", str(tools / "cfn-lint"), str(template), *map(str, templates(Path(folder)))),
            judge("semgrep", str(scanners / "semgrep"), *_SEMGREP, "--error", *code),
            rules_work(scanners / "semgrep", Path(folder)),
            judge_template(scanners / "checkov", template),
        ]
        for name in names:
            argv = [str(tools / "cloudsplaining"), "scan-policy-file", "--input-file", name]
            good.append(
                judge(f"cloudsplaining, {Path(name).stem}", *argv, silent="There were no results found.")
            )
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
