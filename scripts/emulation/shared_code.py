"""Unpacks a function's zip once for all its processes, as MiniStack does anew for each.

A process that starts then waits for no five hundred files, nor 70 MB of DuckDB. No process may change what it shares:
on Lambda the folder of the code cannot be written either.

It runs inside MiniStack, and imports nothing of Sluice.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def share_code(runtime: Any, folder: Path) -> None:
    """Change MiniStack's module of processes (`ministack.core.lambda_runtime`) so; `folder` holds what is unpacked."""
    unpacked: dict[str, Path] = {}
    lock = threading.Lock()

    class UnpackedOnce(zipfile.ZipFile):
        """`extractall` leaves a link to the files instead of the files, where the folder is still empty."""

        def extractall(self, path: Any = None, *args: Any, **options: Any) -> None:
            if args or options or not _is_empty(path) or self.filename is None:
                super().extractall(path, *args, **options)
                return
            name = hashlib.sha256(Path(self.filename).read_bytes()).hexdigest()
            with lock:
                if name not in unpacked:
                    super().extractall(folder / name)
                    unpacked[name] = folder / name
            os.rmdir(path)
            os.symlink(unpacked[name], path, target_is_directory=True)

    runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": UnpackedOnce})


def _is_empty(path: Any) -> bool:
    return path is not None and os.path.isdir(path) and not os.listdir(path)
