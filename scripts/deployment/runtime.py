"""What Lambda runs a job's functions on, and whether this machine has such a Python."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from chalicelib.core.spec import JobSpec

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
#: What `platform` calls Lambda's processors.
_NAMES = {"x86_64": ("x86_64", "AMD64"), "arm64": ("aarch64", "arm64")}
_SAY = "import sys; print('%d.%d' % sys.version_info[:2])"
_SECONDS = 20


class Runtime(NamedTuple):
    """A Python, such as `3.13`, on a processor."""

    python: str
    architecture: str

    @property
    def name(self) -> str:
        """As Lambda calls it."""
        return f"python{self.python}"

    @property
    def abi(self) -> str:
        """As wheels call the Python: `cp313`."""
        return "cp" + self.python.replace(".", "")

    @property
    def cache_tag(self) -> str:
        """As compiled modules call it: `cpython-313`."""
        return "cpython-" + self.python.replace(".", "")

    @property
    def interpreter(self) -> Path | None:
        """A Python of this version on this machine, whatever its processor; None if none was found."""
        return find_python(self.python)

    @property
    def can_run(self) -> bool:
        """Whether what the functions import can be imported here."""
        return is_like_here(self.architecture) and self.interpreter is not None


def runtime_of(spec: JobSpec) -> Runtime:
    return Runtime(spec.python, spec.architecture)


def is_like_here(architecture: str) -> bool:
    """Whether this machine has Linux and the processor that the functions run on."""
    return sys.platform == "linux" and platform.machine() in _NAMES[architecture]


@cache
def find_python(version: str) -> Path | None:
    """This Python, if it has that version, or `python3.13` on the PATH, or one of pyenv's that is not switched on."""
    if version == HERE:
        return Path(sys.executable)
    return next((path for path in _candidates(version) if _version(path) == version), None)


def _version(path: Path) -> str:
    """What an interpreter says of itself; empty if it does not start, as pyenv's names on the PATH may not."""
    command: list[str | Path] = [path, "-I", "-S", "-c", _SAY]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return str(done.stdout).strip()


def _candidates(version: str) -> Iterator[Path]:
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(root.glob(f"versions/{version}*/bin/python{version}"), reverse=True)
