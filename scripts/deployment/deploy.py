"""Deploying and deleting one job.

A deployment goes through four stages, each simple, and each to be tested without the others.

What is to be (`load`, `target`)
    The job's YAML, its class and the overrides in force become a `Target`, checked. From it follow, by pure
    functions, the stage and the policies that Chalice reads (`stage`, `policies`), the event rules
    (`Target.rules`, `rules`), the buckets and their lifecycle (`Target.buckets`, `protection`, `lifecycle`).

What is there (`look`, `survey`)
    The account's buckets, functions, roles and logs, and the checkout's `.chalice/`, become a frozen `Survey`.
    This stage reads and never writes: `aws.account` has no method that changes anything.

The plan (`planner`, `steps`, `differences`)
    A pure function of target and survey returns frozen steps, in the order that makes an interrupted
    deployment harmless. Each says what is to be so, and in one line what doing it would change, or `nothing`.
    `--dry-run` prints these lines, and that is all it does.

Doing it (`executor`, `aws`, `project`, `chalice_cli`)
    Each step is done, also one that was planned to change nothing: the account may have changed since, and
    doing a step again changes nothing. An interrupted deployment is finished by the next one.

Writing it down (`templates`)
    For pipelines of others, the steps of a first deployment become a template of CloudFormation or Terraform. Each kind
    of step is read, or has its reason why not. No account is asked.

A lock is held from the survey to the last step, since deployments from one checkout share Chalice's files. A
dry run takes none: it would have to write the lock file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.ports import Loc

from .aws.account import Account
from .aws.buckets import Buckets
from .aws.clients import Clients
from .aws.event_rules import EventRules
from .aws.functions import Functions
from .chalice_cli import chalice
from .executor import Executor, Say
from .lifecycle import WORK_RETENTION_DAYS
from .look import look
from .planner import by_way_of_s3, plan_deletion, plan_deployment
from .project import Project
from .steps import AnyStep, told_before
from .target import Target
from .trial import MOST_SENT, told_untried, try_out


@dataclass(frozen=True, kw_only=True)
class Deployer:
    """Deploys from a checkout to an account; `environ` is what the chalice process gets."""

    project: Project
    clients: Clients
    environ: Mapping[str, str]
    say: Say
    verbose: bool = False
    work_days: int = WORK_RETENTION_DAYS
    #: Runs Chalice: command, stage, folder, and where Lambda takes the code from. None: the real one.
    run_chalice: Callable[[str, str, Path, Loc | None], object] | None = None
    #: Tries the zip before it is deployed. Raises DeployError.
    try_out: Callable[[Path, Target], object] = try_out
    #: Bytes of a zip that is sent in a request; a larger one goes by way of S3.
    most_sent: int = MOST_SENT

    def plan(self, target: Target) -> tuple[AnyStep, ...]:
        """The steps of a deployment as things are now. Reads only. Raises DeployError."""
        self.project.check_vendor()
        self.project.check_shipment(target)
        survey = look(self.project, Account(self.clients), target.name, target.buckets)
        return plan_deployment(target, survey, self.work_days)

    def plan_deletion(self, name: str, target: Target | None) -> tuple[AnyStep, ...]:
        """The steps that delete the job `name`, as things are now. Reads only. Raises DeployError.

        `target` is the job if its YAML is still there.
        """
        buckets = target.buckets if target else ()
        return plan_deletion(name, target, look(self.project, Account(self.clients), name, buckets))

    def deploy(self, target: Target) -> None:
        """Deploy the job. Raises DeployError; what was done by then stays, and is used by the next try."""
        with self.project.locked():
            steps = self.plan(target)
            # What cannot be shipped, or not be imported there, is told before the account is changed.
            zipped = self.project.pack(target)
            self.try_out(zipped, target)
            if untried := told_untried(target):
                self.say(untried)
            if zipped.stat().st_size > self.most_sent:
                steps = by_way_of_s3(steps, target, hashlib.sha256(zipped.read_bytes()).hexdigest())
            if changes := told_before(steps):
                self.say(f"changing in account {self.clients.account}, {self.clients.region}:")
                for line in changes:
                    self.say(f"  {line}")
            self._executor().do(steps)

    def delete(self, name: str, target: Target | None) -> None:
        """Delete all of the job `name` but data: functions, roles, rules, logs, stage, policies."""
        with self.project.locked():
            self._executor().do(self.plan_deletion(name, target))

    def _executor(self) -> Executor:
        def run(command: str, stage: str, folder: Path, code: Loc | None) -> None:
            chalice(command, stage, folder, self.environ, verbose=self.verbose, code=code)

        return Executor(
            project=self.project,
            account=Account(self.clients),
            buckets=Buckets(self.clients),
            rules=EventRules(self.clients),
            functions=Functions(self.clients),
            run_chalice=self.run_chalice or run,
            say=self.say,
        )
