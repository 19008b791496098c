"""A script that is forked is told what it is told otherwise, and has imported nothing of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud import warm_scripts

PROGRAM = """\
import os, sys
ours = [name for name in sys.modules if name.partition(".")[0] in ("app", "chalicelib", "scripts", "tests")]
print(__name__, sys.argv[1:], os.getcwd(), os.environ, sys.path[0], sys.stdin.read(), ours)
print("and a letter: größe", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_forked_script_is_as_one_that_starts_from_nothing(tmp_path: Path) -> None:
    script, environ = tmp_path / "said.py", {"PATH": os.environ["PATH"], "MINE": "1", "LC_ALL": "C.UTF-8"}
    script.write_text(PROGRAM, "utf-8")
    for args in (["3", "--a b"], ["0"]):
        forked = warm_scripts.run(script, args, tmp_path, environ, 60)
        started = subprocess.run(
            [sys.executable, script, *args], cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (forked.returncode, forked.stdout, forked.stderr) == (
            started.returncode, started.stdout, started.stderr,
        )  # fmt: skip
        assert forked.stdout.endswith(" []\n")
