"""Writes a deployment into a folder, for other people's pipelines: zip, template, bill of materials."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from ..project import Project
from ..target import Json, Target
from . import cloudformation, terraform
from .contents import Contents, contents, plan

Format = Literal["cloudformation", "terraform"]
FORMATS: tuple[Format, ...] = ("cloudformation", "terraform")
_TEMPLATE = {"cloudformation": "template.json", "terraform": "main.tf.json"}
_WHERE = {"cloudformation": cloudformation.WHERE, "terraform": terraform.WHERE}


def write_package(
    project: Project,
    target: Target,
    folder: Path,
    form: Format,
    *,
    own: Sequence[str] = (),
    concurrency: int | None = None,
    work_days: int,
    try_out: Callable[[Path, Target], object],
) -> tuple[list[Path], list[str]]:
    """Write the job's deployment into `folder`; the files, and what is to be known, a sentence each.

    Buckets that are `own` are made by whoever deploys it; the others exist. Asks AWS for nothing. Raises DeployError.
    """
    steps = plan(target, _WHERE[form], own, project.stages().get(target.name), concurrency, work_days)
    found = contents(target, steps)
    with project.locked():
        project.check_vendor()
        project.check_shipment(target)
        packed = project.pack(target)
        try_out(packed, target)
        folder.mkdir(parents=True, exist_ok=True)
        zipped = f"sluice-{target.name}-{hashlib.sha256(packed.read_bytes()).hexdigest()[:16]}.zip"
        shutil.copyfile(packed, folder / zipped)
        bill = folder / "sbom.cdx.json"
        shutil.copyfile(project.write_bill(target.name), bill)
    template = folder / _TEMPLATE[form]
    _write(template, document(found, form, zipped))
    written = [template, folder / zipped, bill]
    for bucket in found.buckets:
        if bucket.lifecycle and not bucket.made:
            path = folder / f"lifecycle-{bucket.name}.json"
            _write(path, {"Rules": list(bucket.lifecycle)})
            written.append(path)
    told = cloudformation.notes(found) if form == "cloudformation" else terraform.notes(found)
    return written, [*found.notes, *told]


def document(found: Contents, form: Format, zipped: str) -> Json:
    """The template, or configuration; `zipped` is the zip's name."""
    if form == "cloudformation":
        return cloudformation.template(found, zipped)
    return terraform.configuration(found, zipped)


def _write(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
