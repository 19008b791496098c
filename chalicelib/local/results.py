"""The folder of a run's results: one run at a time claims it, and it changes whole, at the end, or not at all.

A run writes into a hidden folder of its own inside it. Once the run has ended, a list of what goes and what comes is
written there, and the hidden folder is renamed: that decides. All that follows can be done again by the next claim.

    .sluice-run-<run>/results/  what the run has written so far, by the names that it is to have
    .sluice-run-<run>/work/     its work place, unless that is to be kept
    .sluice-swap/               the same folder once it is decided that its results replace those that are there
    .sluice-swap/swap.json      which files go and which come
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from ..core.errors import CorruptData, StoreError, UserError
from ..core.keys import FAILURE, MANIFEST, SET_ASIDE, SUCCESS, is_part, is_result
from ..core.messages import Message, decode, encode
from ..core.outcome import Manifest

STAGING = ".sluice-run-"
SWAP = ".sluice-swap"
_LIST = "swap.json"
_RESULTS, _WORK = "results", "work"


class Swap(Message, frozen=True, kw_only=True):
    """Files of an output folder that go, and those that come in their place, the one that makes them whole last."""

    goes: tuple[str, ...]
    comes: tuple[str, ...]


class Claim(Struct, frozen=True):
    """An output folder in the hands of one run."""

    output: Path
    run: str
    #: The descriptor that the claim hangs on; who else has it prolongs the claim.
    lock: int
    #: Whether the results of an earlier run that succeeded are there.
    earlier: bool
    #: Of a run that is taken up: its manifest, if its results are published already.
    ended: Manifest | None = None

    @property
    def _hidden(self) -> Path:
        return self.output / f"{STAGING}{self.run}"

    @property
    def results(self) -> Path:
        """Where the run writes its results."""
        return self._hidden / _RESULTS

    @property
    def work(self) -> Path:
        """A work folder that goes when the claim ends."""
        return self._hidden / _WORK

    def publish(self) -> None:
        """Put the run's results in the place of those that are there, which go.

        Raises UserError, before anything is changed, if a file that is none of ours is in the way.
        """
        comes = _written(self.results)
        ours = _look(self.output)
        for name in comes:
            _refuse_in_the_way(self.output, name, ours)
        swap = Swap(goes=tuple(sorted(ours - {*comes})), comes=comes)
        with _told(self.output):
            (self._hidden / _LIST).write_bytes(encode(swap))
            self._hidden.rename(self.output / SWAP)
            _finish(self.output)

    def publish_failure(self) -> None:
        """Publish that the run has failed. Results that are there stay; then only what it set aside comes to them."""
        if not self.earlier:
            self.publish()
            return
        own = f"{SET_ASIDE}{self.run}"
        if (self.results / own).exists():
            (self.output / own).parent.mkdir(exist_ok=True)
            (self.results / own).rename(self.output / own)

    def _leave(self) -> None:
        if (self.output / SWAP).is_dir():  # stopped in the midst of it
            _finish(self.output)
        shutil.rmtree(self._hidden, ignore_errors=True)


@contextmanager
def claimed(output: Path, run: str, *, force: bool, resumed: bool = False) -> Iterator[Claim]:
    """Claim the folder, which is made if it is missing, and tidy up what dead runs left in it.

    With `resumed`, the results so far of this run are its own again.

    Raises UserError if another run has claimed it, if it cannot be written to, if it is not empty and nothing is to be
    replaced (`force`), or if it holds parts of which nobody knows whose they are.
    """
    lock = _lock(output)
    try:
        with _told(output):
            own = f"{STAGING}{run}" if resumed else ""
            _tidy(output, own)
            ended = _published_by(output, run) if resumed else None
            if not ended:
                _refuse_contents(output, force, own)
            claim = Claim(output, run, lock, (output / SUCCESS).exists(), ended)
            claim.results.mkdir(parents=True, exist_ok=resumed)
            claim.work.mkdir(exist_ok=resumed)
        try:
            yield claim
        finally:
            claim._leave()
    finally:
        os.close(lock)


@contextmanager
def _told(output: Path) -> Iterator[None]:
    """Say what the operating system refuses in a sentence."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{output}: cannot be used for results: {error.filename or output}: {error.strerror}:"
            " free it, or choose another folder"
        ) from error


def _lock(output: Path) -> int:
    """A descriptor of the folder with a lock on it, which ends with this process however that ends."""
    if output.exists() and not output.is_dir():
        raise UserError(f"{output}: expected a folder for the results, this is a file")
    with _told(output):
        while True:
            output.mkdir(parents=True, exist_ok=True)
            lock = os.open(output, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(lock), os.stat(output)):
                    return lock
            except BlockingIOError:
                os.close(lock)
                raise UserError(_busy(output)) from None
            except FileNotFoundError:  # somebody deleted the folder just now
                pass
            os.close(lock)


def _busy(output: Path) -> str:
    runs = sorted(path.name.removeprefix(STAGING) for path in output.glob(f"{STAGING}*"))
    which = f"run {runs[0]}" if runs else "another run"
    return f"{output}: {which} is writing its results here: wait until it has ended, or choose another folder"


def is_left(output: Path, run: str) -> bool:
    """Whether what a killed run has written so far is still there, or published."""
    there = (output / f"{STAGING}{run}" / _RESULTS).is_dir() or (output / SWAP).is_dir()
    return there or _published_by(output, run) is not None


def _published_by(output: Path, run: str) -> Manifest | None:
    path = output / MANIFEST
    with suppress(FileNotFoundError, CorruptData):
        manifest = decode(Manifest, path.read_bytes(), str(path))
        if manifest.run == run and ((output / SUCCESS).exists() or (output / FAILURE).exists()):
            return manifest
    return None


def _tidy(output: Path, own: str) -> None:
    """Finish what was decided, and remove what runs that were killed left, but for the folder `own`."""
    if (output / SWAP).is_dir():
        _finish(output)
    for left in output.glob(f"{STAGING}*"):
        if left.name != own:
            shutil.rmtree(left, ignore_errors=True)


def _refuse_contents(output: Path, force: bool, own: str) -> None:
    if not any(path.name != own for path in output.iterdir()):
        return
    if not force:
        raise UserError(
            f"{output}: is not empty: choose another folder, or replace earlier results with --force"
        )
    found, links = _named_like_ours(output)
    for name in links:
        raise UserError(
            f"{output / name}: is a symbolic link, and --force replaces nothing outside of {output}:"
            " remove the link, or choose another folder"
        )
    for name in sorted(_strangers(output, found)):
        raise UserError(
            f"{output / name}: is none of the parts that {MANIFEST} lists, and --force replaces only those:"
            " move it away, or choose another folder"
        )


def _look(folder: Path) -> set[str]:
    """The names of the results in a folder that are ours."""
    found, _ = _named_like_ours(folder)
    return found - _strangers(folder, found)


def _named_like_ours(folder: Path) -> tuple[set[str], list[str]]:
    """(files with names that we give; links in the place of folders of ours)."""
    found: set[str] = set()
    links: list[str] = []
    for parent, folders, files in os.walk(folder):
        below = os.path.relpath(parent, folder)
        prefix = "" if below == os.curdir else f"{below}/"
        likely = [name for name in folders if "=" in name or f"{prefix}{name}/".startswith(SET_ASIDE)]
        links += [prefix + name for name in likely if os.path.islink(os.path.join(parent, name))]
        folders[:] = likely  # a walk follows no links
        found |= {prefix + name for name in files if is_result(prefix + name)}
    return found, sorted(links)


def _strangers(folder: Path, found: set[str]) -> set[str]:
    """Of names like ours, parts that the manifest does not list."""
    listed = set(_listed(folder))
    return {name for name in found if is_part(name) and name not in listed}


def _listed(folder: Path) -> tuple[str, ...]:
    """The parts of the results in a folder. Raises UserError if its manifest cannot be read."""
    path = folder / MANIFEST
    try:
        manifest = decode(Manifest, path.read_bytes(), str(path))
    except FileNotFoundError:
        return ()
    except CorruptData as error:
        raise UserError(
            f"{error}\nso nobody knows which files are earlier results: choose another folder"
        ) from error
    return tuple(part.key for part in manifest.parts)


def _written(results: Path) -> tuple[str, ...]:
    """What a run that has ended has to publish: last the manifest, and the marker that says how it ended."""
    there = _look(results)
    missing = sorted({*_listed(results)} - there)
    if missing:
        raise CorruptData(f"{results / missing[0]}: the manifest names it, but it is gone")
    marker = SUCCESS if SUCCESS in there else FAILURE
    return (*sorted(there - {MANIFEST, marker}), MANIFEST, marker)


def _refuse_in_the_way(output: Path, name: str, ours: set[str]) -> None:
    path = output / name
    if os.path.lexists(path) and name not in ours:
        raise UserError(f"{path}: is in the way of the results, and none of ours: move it away")
    for parent in path.parents:
        if parent == output:
            return
        if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
            raise UserError(f"{parent}: expected a folder for the results: move it away")


def _finish(output: Path) -> None:
    """Do what is left of a swap that is decided; it may be stopped anywhere, and done again."""
    swap = output / SWAP
    results = swap / _RESULTS
    with suppress(FileNotFoundError):  # without its list only the folder itself was left to remove
        path = swap / _LIST
        try:
            listed = decode(Swap, path.read_bytes(), str(path))
        except CorruptData as error:
            raise UserError(
                f"{error}\nit says how {results} replaces the results in {output}: do so by hand, and delete {swap}"
            ) from error
        _carry_out(listed, results, output)
    shutil.rmtree(swap)


def _carry_out(listed: Swap, results: Path, output: Path) -> None:
    if not (results / listed.comes[-1]).exists():  # all of it was done
        return
    for marker in (SUCCESS, FAILURE):  # from now on nobody takes what is there for whole
        (output / marker).unlink(missing_ok=True)
    for name in listed.goes:
        _remove(output, name)
    for name in listed.comes:
        _move(results, output, name)


def _remove(output: Path, name: str) -> None:
    path = output / name
    if not is_result(name) or any(parent.is_symlink() for parent in _between(path, output)):
        return
    path.unlink(missing_ok=True)
    with suppress(OSError):  # other files are in it
        for parent in _between(path, output):
            parent.rmdir()


def _move(results: Path, output: Path, name: str) -> None:
    source, target = results / name, output / name
    if not source.exists():  # moved before
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for parent in _between(target, output):
        if parent.is_symlink():
            raise StoreError(f"{parent}: became a symbolic link while results were put there: remove it")
    source.replace(target)


def _between(path: Path, output: Path) -> Iterator[Path]:
    """The folders from that of `path` up to `output`, without it."""
    for parent in path.parents:
        if parent == output:
            return
        yield parent
