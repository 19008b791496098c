"""Results of a run of this machine, published under a prefix on S3.

A run writes them to a folder here. Once it has ended they go there: the manifest first, by If-None-Match, which
decides whose results these are; then the parts; last `_SUCCESS` or `_FAILED`, by which readers go. Nothing that is
there is ever replaced. Whoever is killed in between is made up for by the same run, which finds its own manifest.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ...core.errors import NotFound, UserError
from ...core.keys import FAILURE, MANIFEST, SUCCESS, OutputKeys
from ...core.messages import decode, encode
from ...core.outcome import Manifest
from ...core.ports import Loc, Store
from .objects import SCHEME, is_prefix, loc_of

#: Objects that are uploaded at once, and bytes of each that are held.
_AT_ONCE, _BLOCK = 8, 1 << 20


def place_of(url: str, inputs: list[str]) -> Loc:
    """The prefix that `--output` names. Raises UserError if what is put there would be input of the next run."""
    place = loc_of(url)
    if not is_prefix(place):
        place = place.child("/")
    for given in inputs:
        if not given.startswith(SCHEME):
            continue
        read = loc_of(given)
        if is_prefix(read) and read.bucket == place.bucket and place.key.startswith(read.key):
            raise UserError(
                f"{place.url}: lies below the input {given}; results would become input: move it out"
            )
    return place


class ResultsOnS3(Struct, frozen=True):
    """The prefix that results go to, which ends in `/` or is empty."""

    store: Store
    place: Loc

    def require_free(self, run: str) -> None:
        """Raise UserError if anything lies there, unless `run` has begun to publish there ("": there is none)."""
        there = (info.key for info in self.store.list(self.place) if info.key != self.place.key)
        first = next(there, None)
        if first is None or (run and self._begun_by() == run):
            return
        raise UserError(
            f"{self.place.url}: is not empty ({Loc(self.place.bucket, first).url}), and what is published on S3 is"
            " never replaced: choose another prefix, or delete what is there"
        )

    def publish(self, folder: Path) -> Manifest:
        """Publish the results in a folder of this machine, which has those of one run; the manifest as it is there.

        Safe to call again. Raises UserError if another run has published there since.
        """
        path = folder / MANIFEST
        manifest = self._as_there(decode(Manifest, path.read_bytes(), str(path)), folder)
        keys = OutputKeys(self.place)
        if not self.store.put_if_absent(keys.manifest, encode(manifest)):
            raise UserError(
                f"{keys.manifest.url}: run {self._begun_by()} has begun to publish there, too; the results of"
                f" {manifest.run} are in {folder}"
            )
        mark = f"{manifest.job}/{manifest.run}/1"
        names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
        rest = [name for name in names if name not in (MANIFEST, SUCCESS, FAILURE)]
        from concurrent.futures import ThreadPoolExecutor  # most results go to a folder

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda name: self._upload(folder / name, name, mark), rest):
                pass
        if manifest.outcome == "success":
            self.store.put_if_absent(keys.success, b"", mark)
        else:
            text = (folder / FAILURE).read_text().replace(str(folder), self.place.url.rstrip("/"))
            self.store.put_if_absent(keys.failure, text.encode())
        return manifest

    def _upload(self, path: Path, name: str, mark: str) -> None:
        with (
            self.store.writer(self.place.child(name), if_absent=True, mark=mark) as writer,
            path.open("rb") as file,
        ):
            while block := file.read(_BLOCK):
                writer.write(block)
            if not writer.commit():
                raise UserError(f"{self.place.child(name).url}: is there already, and is not this run's")

    def _begun_by(self) -> str:
        """The run whose manifest is there; "" if there is none."""
        loc = OutputKeys(self.place).manifest
        try:
            return decode(Manifest, self.store.get(loc), loc.url).run
        except NotFound:
            return ""

    def _as_there(self, manifest: Manifest, folder: Path) -> Manifest:
        """The manifest with the keys that everything has there."""
        set_aside = tuple(
            self.place.child(name).key if (folder / name).is_file() else name for name in manifest.quarantine
        )
        return replace(
            manifest,
            parts=tuple(replace(part, key=self.place.child(part.key).key) for part in manifest.parts),
            quarantine=set_aside,
            reason=manifest.reason.replace(str(folder), self.place.url.rstrip("/")),
        )
