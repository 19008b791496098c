"""Run one job, of mrjob's or of ours, and tell what it wrote. Nothing but the standard library: mrjob runs it, too.

.venv-mrjob/bin/python drive.py FOLDER [CASE ...]   # by mrjob, as JSON; FOLDER is to be new
"""

import importlib
import inspect
import json
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def job_class(name: str) -> Any:
    """The class that a job's script defines last: itself, and not what it imports."""
    module = importlib.import_module(name)
    own = [cls for cls in vars(module).values() if inspect.isclass(cls) and cls.__module__ == name]
    return own[-1]


def outcome(case: Any, runner: str, inputs: Path, more_args: tuple[str, ...] = ()) -> dict[str, Any]:
    """The lines and counters of a run; `fails` instead, if it failed."""
    args = [arg.replace("{in}", str(inputs)) for arg in case.args]
    output = Path(tempfile.mkdtemp(dir=inputs.parent)) / "out"
    names = [name if name == "-" else str(inputs / name) for name in case.inputs]
    try:
        job = job_class(case.job)(args=["-r", runner, "-o", str(output), *more_args, *args, *names])
        job.sandbox(stdin=case.stdin.splitlines(keepends=True))
        with job.make_runner() as started:
            started.run()
            counters = list(started.counters())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - each its own
        return {"fails": type(error).__name__}
    parts = [path.read_bytes() for path in sorted(output.glob("part-*"))]  # mrjob prints them in any order
    lines = b"".join(parts).decode("utf-8", "backslashreplace").split("\n")
    return {"lines": lines, "counters": counters}


def main() -> None:
    sys.path[:0] = [str(HERE)]
    from cases import CASES
    from inputs import make_inputs, put_beside

    logging.disable(logging.CRITICAL)
    folder = Path(sys.argv[1])
    shutil.copytree(HERE / "jobs", folder / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
    put_beside(folder / "jobs")
    make_inputs(folder / "in")
    sys.path[:1] = [str(folder / "jobs")]
    os.chdir(folder / "jobs")  # options name what lies here, too
    found = {}
    for name in sys.argv[2:] or CASES:
        case = CASES[name]
        for runner in case.theirs:
            found[f"{name}: {runner}"] = outcome(case, runner, folder / "in", ("--no-conf", "--num-cores=1"))
    kept = {"mrjob": importlib.import_module("mrjob").__version__, "lines": found}
    json.dump(kept, sys.stdout, ensure_ascii=False, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
