"""A run into a claimed folder: run it, keep what it set aside, and publish its results."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from ..core.errors import RunFailed, SluiceError
from ..core.keys import FAILURE, MANIFEST, RunKeys, parse_quarantined, set_aside
from ..core.messages import decode, encode
from ..core.outcome import Manifest
from ..functions.stop import stop
from ..stores.folder import FolderStore
from .engine import run_local
from .local_run import LocalRun
from .results import Claim


def run_into(claim: Claim, run: LocalRun, engine: Callable[[LocalRun], Manifest] = run_local) -> Manifest:
    """Run to the end and publish; the manifest. `run` writes to the places of the claim.

    A run that fails is published, too, unless the results of one that succeeded are there: those stay; so is one that
    is interrupted. Raises RunFailed, with the reason.
    """
    kept = run.work != claim.work
    try:
        manifest = engine(run)
    except (KeyboardInterrupt, SystemExit):
        if _interrupted(run):
            _publish_failure(claim, run.keys, kept=kept)
        raise
    except RunFailed as error:
        reason = str(error)
        if _publish_failure(claim, run.keys, kept=kept) and not kept:
            reason = _as_kept(reason, run.keys, claim.output)
        if claim.earlier:
            reason += f"\n{claim.output} still holds the results of the run before"
        raise RunFailed(reason) from error
    if not kept:
        manifest = keep_set_aside(run.keys, claim.results, claim.output)
    claim.publish()
    return manifest


def _interrupted(run: LocalRun) -> bool:
    """Say who stopped a run of which no process is left; False if that is not how it has ended."""
    places = {run.output: run.staging} if run.staging else {}
    store = FolderStore([Path("/"), run.work, run.output], standing_in=places)
    with suppress(SluiceError):  # it has no plan yet, or the disk is full: then there is no more to be told
        _, verdict = stop(store, run.keys, run.user(), "interrupted", run.clock.now(), seals=False)
        return verdict.outcome == "failed"
    return False


def _publish_failure(claim: Claim, keys: RunKeys, *, kept: bool) -> bool:
    """Publish that the run has failed, and what it set aside; False if it did not get to say so."""
    if not (claim.results / MANIFEST).exists():
        return False
    if not kept:
        keep_set_aside(keys, claim.results, claim.output)
    claim.publish_failure()
    return True


def keep_set_aside(keys: RunKeys, results: Path, output: Path) -> Manifest:
    """Move the bad records to `results`, and name them in manifest and `_FAILED` as they will be in `output`.

    `keys` are those of the run in its work folder. Of a run that succeeded, what its tasks committed; else all.
    """
    path = results / MANIFEST
    manifest = decode(Manifest, path.read_bytes(), str(path))
    work = Path(keys.work.bucket)
    moved = manifest.quarantine if manifest.outcome == "success" else _all(keys, work)
    for key in moved:
        target = results / set_aside(keys, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        (work / key).rename(target)
    manifest = replace(
        manifest,
        quarantine=tuple(set_aside(keys, key) for key in moved),
        reason=_as_kept(manifest.reason, keys, output),
    )
    path.write_bytes(encode(manifest))
    failure = results / FAILURE
    if failure.exists():
        failure.write_text(_as_kept(failure.read_text(), keys, output))
    return manifest


def _all(keys: RunKeys, work: Path) -> tuple[str, ...]:
    found = (str(path.relative_to(work)) for path in (work / keys.run_root.key).rglob("*.jsonl"))
    return tuple(sorted(key for key in found if parse_quarantined(key)))


def _as_kept(text: str, keys: RunKeys, output: Path) -> str:
    """`text` with the paths of what was set aside as they will be in `output`."""
    return re.sub(
        re.escape(keys.run_root.url) + r"[A-Za-z0-9._/-]+\.jsonl",
        lambda found: f"{output}/{set_aside(keys, found[0].removeprefix(keys.work.url))}",
        text,
    )
