#!/usr/bin/env python
"""Write the JSON Schemas of what Sluice publishes, from the types themselves: `make schemas`.

A file a type, in docs/schemas/: the manifest beside each run's results, `_latest.json` beside all of them, a run in
`status.py --json`, and a notice. What
a field means is taken from the comment above it in the code. A test keeps the files as the types are.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from chalicelib.core import messages, outcome, tasks  # noqa: E402
from chalicelib.core.outcome import Latest, Manifest, Notice  # noqa: E402
from chalicelib.run.status import fields  # noqa: E402
from chalicelib.run.status.fields import RunStatus  # noqa: E402

FOLDER = ROOT / "docs/schemas"
#: What is published, and the version of its shape: it goes up when a field changes its meaning or goes away, not when
#: one is added.
PUBLISHED: dict[str, tuple[type[msgspec.Struct], int]] = {
    "manifest": (Manifest, 1),
    "status": (RunStatus, 1),
    "notice": (Notice, 1),
    "latest": (Latest, 1),
}
_STRUCTS = {
    name: found
    for module in (messages, tasks, outcome, fields)
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, msgspec.Struct)
}
_FIELD = re.compile(r"^    (\w+): ")
_COMMENT = re.compile(r"^    #: ?(.*)$")


def schema(name: str) -> dict[str, Any]:
    """The schema of what is published under this name."""
    kind, version = PUBLISHED[name]
    (reference,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for title, definition in definitions.items():
        if "description" in definition:  # Python 3.13 takes the indentation away by itself
            definition["description"] = inspect.cleandoc(definition["description"])
        for field, said in comments(_STRUCTS[title]).items():
            if field in definition["properties"]:
                definition["properties"][field]["description"] = said
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Sluice {name}, version {version}",
        **reference,
        "$defs": definitions,
    }


def comments(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The `#:` comment above each field, of the class and those that it is made from."""
    found: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        if not (issubclass(kind, msgspec.Struct) and kind.__module__.startswith("chalicelib")):
            continue
        said: list[str] = []
        for line in inspect.getsource(kind).splitlines():
            if comment := _COMMENT.match(line):
                said.append(comment[1])
                continue
            if (field := _FIELD.match(line)) and said:
                found[field[1]] = " ".join(said)
            said = []
    return found


def text(name: str) -> str:
    return json.dumps(schema(name), indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in PUBLISHED:
        (FOLDER / f"{each}.json").write_text(text(each), "utf-8")
