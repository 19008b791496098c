"""Lets Chalice deploy functions for a Python and a processor that need not be those of this machine.

Chalice takes the version of the Python that it runs itself, and has no setting for another. This is imported only where
something is deployed: by `chalice_app`, whose project Chalice deploys, and by `scripts/deployment`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
#: pip chooses files for another Python if it is told of one, but asks this one what `; python_version < "3.14"` means
#: behind a requirement (pypa/pip, issue 11664).
_MARKERS = """\
import pip._vendor.packaging.markers as _markers
_markers.default_environment = lambda _here=_markers.default_environment: {**_here(), **%r}
"""


class PipFor(NamedTuple):
    """How pip is told of the Python, such as `3.13`, and the processor that packages are for."""

    python: str
    architecture: str

    @property
    def shim(self) -> str:
        """To be run in the process that is to be pip: its markers are Lambda's."""
        full = f"{self.python}.0"
        return _MARKERS % {
            "implementation_name": "cpython", "implementation_version": full, "os_name": "posix",
            "platform_machine": _MACHINES[self.architecture], "platform_python_implementation": "CPython",
            "platform_system": "Linux", "python_full_version": full, "python_version": self.python,
            "sys_platform": "linux",
        }  # fmt: skip

    def arguments(self, command: str, given: Sequence[str]) -> list[str]:
        """pip's arguments: where they name a platform, they name the Python, too."""
        platform = command == "download" and "--platform" in given and "--python-version" not in given
        return [*(["--python-version", self.python] if platform else []), *given]


def deploy_for(python: str, architecture: str) -> None:
    """Let the Chalice of this process deploy functions that run `python`, such as `3.13`, with packages for it."""
    from chalice.config import Config
    from chalice.deploy.packager import PipRunner

    pip = PipFor(python, architecture)
    execute = getattr(PipRunner._execute, "chalices_own", PipRunner._execute)

    def execute_for(
        self: Any, command: str, args: list[str], env_vars: Any = None, shim: str | None = None
    ) -> Any:
        if command == "download":
            shim = pip.shim + (shim or "")
        return execute(self, command, pip.arguments(command, args), env_vars=env_vars, shim=shim)

    execute_for.chalices_own = execute  # type: ignore[attr-defined]  # so that another call begins there
    for owner, name, value in (
        (PipRunner, "_execute", execute_for),
        (Config, "lambda_python_version", property(lambda _: f"python{python}")),
    ):
        setattr(owner, name, value)
    # It goes on about the Python that runs it being another one.
    warnings.filterwarnings("ignore", message="You are currently running python")
