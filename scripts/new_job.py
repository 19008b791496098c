#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Write the files of a new job, jobs/NAME.py and jobs/NAME.yml, to start from; in a project of one's own its test, too.

scripts/new_job.py visits
"""

from __future__ import annotations

import argparse
import keyword
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.core.errors import UserError
from scripts.console.terminal import Parser, run_main, say
from scripts.deployment.target import check_name
from scripts.projects.files import template
from scripts.projects.where import project_root

#: The prefix of the buckets' names for who has no credentials here.
NO_ACCOUNT = "sluice-demo"

CODE = '''\
from chalicelib import Job, Sum


class {cls}(Job):
    """How often each word occurs. Say here what your job finds out."""

    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    reducer = Sum()
'''

SETTINGS = """\
# The class in jobs/{module}.py, and where its data is. Bucket names are shared by all of AWS: choose your own.
job: {module}:{cls}
input: {{url: "s3://{buckets}-in/{name}/", format: text}}      # files dropped here start the job
work: {{url: "s3://{buckets}-work/"}}                          # the job's own files; they expire after a week
output: {{url: "s3://{buckets}-out/{name}/", format: tsv}}     # or jsonl, csv, parquet, text

# Below are the defaults; remove the # to change one.
#outputs: {{}}                    # other outputs by name, {{errors: {{format: jsonl}}}}: self.output("errors", key)
#trigger: each                  # marker: only _READY or a *.manifest starts a run; success: so does _SUCCESS;
                                # every 15m: the clock does, over all that is new
#audit: null                    # 1h: so often, scripts/audit.py --mend is done by itself
#manifest: {{scope: input}}      # folder: a *.manifest may name what lies in its own folder, and nothing else
#expect: null                   # 1TB: so much input a run has; memory and disk that are not set are chosen for it
#split_size: null               # how much of the input one map task reads; null: 64MiB, more if there is much
#split_lines: null              # in place of split_size: how many lines one map task reads
#map_tasks: null                # in place of split_size: how many map tasks there are
#partitions: null               # fixed slots of the key space, 1 to 4096; null: from the input's size
#reduce_size: 128MiB            # about how much one reduce task reads
#reducers: null                 # at most so many reduce tasks, 1 for one sorted part; null: by the amount of data
#accumulate: false              # true: results over all files ever dropped, each counted once
#max_attempts: 4                # tries at a task before the run fails
#bad_records: {{policy: fail, max: 100, max_fraction: 0.001}}   # quarantine: set bad records aside, up to a limit
#memory_budget: null            # records a task holds before it spills to disk; null: 60 % of its memory
#memory: {{mapper: 2048, reducer: 2048, supervisor: 512, coordinator: 512, scheduler: 512, auditor: 512}}   # MB
#timeout: {{mapper: 15m, reducer: 15m, supervisor: 5m, coordinator: 5m, scheduler: 15m, auditor: 15m}}
#limits: {{input_bytes: 128TiB, tasks: 4000000, dollars: 5000, unpack_ratio: 2000, max_chain: 16, failed_tasks: 0}}
#shuffle: {{levels: auto}}       # 1: reduce tasks read all run files; 2: exchange tasks stand between; auto: the better
#events: s3                     # or eventbridge: several jobs may watch one prefix
#notify: {{on: [success, failed, bad_records], topic: "", bus: "", webhook: "", secret: ""}}   # docs/how-to/notices.md
#catalog: {{database: "", table: "", columns: ""}}   # the newest result as a table of AWS Glue: docs/how-to/catalog.md
#concurrency: null              # how many mappers, and how many reducers, may run at once; null: all the account has
#lambda: {{tags: {{}}, environment: {{}}, subnets: "", security_groups: "", layers: ""}}      # docs/how-to/deploy.md
#kms_key: ""                    # the ARN of a KMS key for the buckets that a deployment makes
#architecture: x86_64           # or arm64, a fifth cheaper
#python: 3.13                   # of the functions: 3.11, 3.12, 3.13 or 3.14, whatever Python deploys them
#files: ""                      # side files for the job's code, in jobs/ or s3://...: self.file(name)
#requirements: ""               # packages that the code imports, name==version each, or a list of them in jobs/
#params: {{}}                     # your job's own settings: self.params
"""

NEXT_STEPS = """\
wrote {files}; next:
  1. write the mapper in jobs/{module}.py, and name your buckets in jobs/{name}.yml
  2. try it here:        scripts/run.py {name} FILE... --output DIR
  3. deploy it to AWS:   scripts/deploy.py {name}
  4. drop files in:      scripts/submit.py {name} FILE... --wait"""


class Scaffold(NamedTuple):
    """A new job: where its class is, and the files that were written, below the project."""

    module: str
    cls: str
    paths: tuple[str, ...]


def scaffold(root: Path, name: str, buckets: str) -> Scaffold:
    """Write the job's files below `root`: the two in `jobs/`, and its test in a project that `init.py` made.

    Raises UserError, and then wrote nothing.
    """
    module = check_name(name).replace("-", "_")
    if keyword.iskeyword(module):
        raise UserError(f"{name!r} cannot be a job's name: it is a keyword of Python")
    cls = "".join(word.capitalize() for word in module.split("_")) or module
    values = {"name": name, "module": module, "cls": cls, "buckets": buckets}
    texts = {f"jobs/{module}.py": CODE.format(**values), f"jobs/{name}.yml": SETTINGS.format(**values)}
    if (root / "pytest.ini").is_file():
        texts[f"tests/test_{module}.py"] = template("test.py", module=module, cls=cls)
    for path in texts:
        if (root / path).exists():
            raise UserError(f"{path} exists already; choose another name, or remove it")
    for path, text in texts.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return Scaffold(module, cls, tuple(texts))


def own_prefix(account: Callable[[], str]) -> str:
    """What the buckets' names begin with; `account` raises UserError where there are no credentials."""
    try:
        return f"sluice-{account()}"
    except UserError:
        return NO_ACCOUNT


def asked_account() -> str:
    """Asked quickly or not at all: it is only for names."""
    from botocore.config import Config

    from scripts.deployment.aws.owner import current_account

    return current_account(
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=3)
    )


def main(argv: Sequence[str], root: Path | None = None, account: Callable[[], str] | None = None) -> int:
    parser = Parser(
        prog="new_job.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="a-z, 0-9, _ and -, starting with a letter")
    parser.add_argument(
        "--buckets",
        metavar="PREFIX",
        help="the job's buckets are PREFIX-in, PREFIX-work and PREFIX-out (default: sluice- and the number of your "
        f"AWS account, which nobody else is likely to take; {NO_ACCOUNT} where there are no credentials)",
    )
    options = parser.parse_args(argv)
    made = scaffold(
        root or project_root(), options.name, options.buckets or own_prefix(account or asked_account)
    )
    said = NEXT_STEPS.format(files=" and ".join(made.paths), module=made.module, name=options.name)
    say(*said.splitlines())
    return 0


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
