#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Install the packages that jobs list in `requirements` into this Python, so that they run and are tested here.

    install.py               for all jobs in jobs/, and what the project's requirements.txt lists
    install.py visits        for this one

A deployment installs them anew, for Lambda's machines.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.config.load import job_names, load_job
from chalicelib.core.errors import UserError
from scripts.console.terminal import Parser, run_main, say
from scripts.deployment.requirements import FILE, of_job
from scripts.projects.where import HOME, project_root

#: Runs pip with these words; its exit code and what it said.
Pip = Callable[[Sequence[str]], tuple[int, str]]


def pip(words: Sequence[str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def main(argv: Sequence[str], run_pip: Pip = pip) -> int:
    parser = Parser(
        prog="install.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", metavar="JOB", nargs="*", help="names in jobs/ (default: all)")
    options = parser.parse_args(argv)
    root = project_root()
    listed = _lists(root, options.jobs)
    if not listed:
        say("no job lists `requirements`: there is nothing to install")
        return 0
    with tempfile.TemporaryDirectory(prefix="sluice-install-") as folder:
        words = []
        for number, text in enumerate(listed):
            path = Path(folder, f"{number}.txt")
            path.write_text(text, "utf-8")
            words += ["-r", str(path)]
        code, said = run_pip(words)
    if code:
        raise UserError(f"pip could not install what the jobs need, and said:\n{said.strip()}")
    names = [line.strip() for text in listed for line in text.splitlines() if line[:1].isalnum()]
    say(f"installed into {sys.prefix}: {', '.join(names)}")
    return 0


def _lists(root: Path, jobs: Sequence[str]) -> list[str]:
    """The lists of requirements to install. Raises UserError."""
    found = []
    if not jobs and root != HOME and (root / FILE).is_file():
        found.append((root / FILE).read_text("utf-8"))
    for name in jobs or job_names(root):
        spec = load_job(name, root=root, environ=os.environ, require_cloud=False).spec
        if (own := of_job(root, spec)) not in ("", *found):
            found.append(own)
    return found


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
