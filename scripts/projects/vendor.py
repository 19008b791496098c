"""The links in a project's `vendor/` by which a plain `chalice deploy` ships what does not lie beside `app.py`."""

from __future__ import annotations

from pathlib import Path

from chalicelib.config.load import JOBS, PROJECT_FILE

from .where import LIBRARY, package_of


def links(root: Path) -> dict[str, Path | None]:
    """Where each link of `vendor/` leads; None for one that is not to be there."""
    found: dict[str, Path | None] = {
        PROJECT_FILE: Path("..", PROJECT_FILE) if (root / PROJECT_FILE).exists() else None
    }
    if package_of(root) == LIBRARY and root / LIBRARY.name != LIBRARY:
        found |= {JOBS: Path("..", JOBS), LIBRARY.name: LIBRARY}
    return found


def link(root: Path) -> None:
    """Make the links that are missing or lead elsewhere, and remove those that are not to be there."""
    folder = root / "vendor"
    folder.mkdir(exist_ok=True)
    for name, leads_to in links(root).items():
        path = folder / name
        if path.is_symlink() and (leads_to is None or path.readlink() != leads_to):
            path.unlink()
        if leads_to is not None and not path.exists():
            path.symlink_to(leads_to)
