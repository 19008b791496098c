"""The wheel that Sluice was installed from: a project keeps it, so that its CI and everybody's environment have it."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from urllib.parse import unquote, urlparse

from chalicelib.job.code_digest import VERSION

from .where import HOME, INSTALLED

DISTRIBUTION = "sluice-mapreduce"
#: What a project's environment needs of Sluice.
EXTRAS = "deploy,test"
FOLDER = "wheels"


def find_wheel() -> Path | None:
    """The file, if it is still where pip found it; in a checkout the one that `make wheel` built."""
    if not INSTALLED:
        return next(iter((HOME / "dist").glob(f"*-{VERSION}-*.whl")), None)
    try:
        told = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    url = urlparse(json.loads(told)["url"] if told else "")
    path = Path(unquote(url.path))
    return path if url.scheme == "file" and path.suffix == ".whl" and path.is_file() else None


def requirement(wheel: str | None) -> str:
    """What installs Sluice, in a list of requirements: the wheel that the project keeps, or this version by name."""
    return f"./{FOLDER}/{wheel}[{EXTRAS}]" if wheel else f"{DISTRIBUTION}[{EXTRAS}]=={VERSION}"
