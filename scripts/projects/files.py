"""The files of a new project: those that are Sluice's, which `sluice init --upgrade` renews, and those that are the
user's from the beginning. Pure, but for reading the templates.
"""

from __future__ import annotations

import json
from pathlib import Path

from chalicelib.config.load import PROJECT_FILE

_TEMPLATES = Path(__file__).parent / "template"
#: Sluice's own, by the names of their templates.
OURS = {
    "app.py": "app.py",
    ".gitignore": "dot-gitignore",
    "Makefile": "Makefile",
    "pytest.ini": "pytest.ini",
    "requirements-dev.txt": "requirements-dev.txt",
    ".github/workflows/test.yml": "workflow.yml",
}
#: The user's, who may change or delete them: written into a new project alone.
THEIRS = {PROJECT_FILE: "sluice.yml"}
REQUIREMENTS = "requirements.txt"
CHALICE = ".chalice/config.json"
#: What Chalice needs to take a folder for a project. Stages are written into it by deployments.
CHALICE_CONFIG = json.dumps({"version": "2.0", "app_name": "sluice", "stages": {}}, indent=2) + "\n"


def template(name: str, **values: str) -> str:
    """A template's text, with `{name}` of each value replaced."""
    text = (_TEMPLATES / f"{name}.in").read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def own_files(sluice: str, python: str) -> dict[str, str]:
    """Sluice's files by path. `sluice`: the requirement that installs it; `python`: the version that CI takes."""
    return {path: template(name, sluice=sluice, python=python) for path, name in OURS.items()}


def first_files() -> dict[str, str]:
    """The user's files of a new project, but for its first job."""
    return {path: template(name) for path, name in THEIRS.items()}
