"""boto3's waits, shortened for an emulator: polling Lambda every 5 s, a deployment takes 20 s."""

from __future__ import annotations

import json
from pathlib import Path

import botocore

_MODEL = Path("lambda", "2015-03-31", "waiters-2.json")
DELAY = 0.05


def fast_waiters(folder: Path) -> Path:
    """Write botocore's own Lambda waiters with short delays; the folder to put on AWS_DATA_PATH."""
    original = Path(botocore.__file__).parent / "data" / _MODEL
    model = json.loads(original.read_text("utf-8"))
    for waiter in model["waiters"].values():
        waiter["maxAttempts"] = round(waiter["maxAttempts"] * waiter["delay"] / DELAY)
        waiter["delay"] = DELAY
    target = folder / _MODEL
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(model), "utf-8")
    return folder
