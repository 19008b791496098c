"""What Python makes of modules, beside them in the zip: a function that starts would else make it anew each time.

Each version of Python makes its own, so this file is also run by the Python that the functions have: it imports nothing
but Python's own modules. Lambda's folder of the code cannot be written to.
"""

from __future__ import annotations

import importlib.util
import marshal
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Where Lambda unpacks the zip; tracebacks name files there.
_LAMBDA_ROOT = "/var/task"
_SECONDS = 300

Entry = tuple[str, bytes]


def with_compiled(entries: Iterable[Entry], python: Path | None) -> Iterator[Entry]:
    """The entries of a zip, each module followed by what `python` makes of it; None: as they are.

    Raises subprocess.SubprocessError if that Python does not do it.
    """
    if python is None:
        yield from entries
        return
    if python == Path(sys.executable):
        for entry in entries:
            yield entry
            yield from _made([entry]).values()
        return
    listed = list(entries)
    made = _made_by(python, listed)
    for entry in listed:
        yield entry
        if found := made.get(entry[0]):
            yield found


def _made_by(python: Path, entries: list[Entry]) -> dict[str, Entry]:
    """Both ends are this file, so what is read was written by it."""
    modules = [entry for entry in entries if entry[0].endswith(".py")]
    done = subprocess.run(
        [python, "-I", "-S", "-W", "ignore", __file__], input=pickle.dumps(modules, 4), stdout=subprocess.PIPE,
        timeout=_SECONDS, check=True,
    )  # fmt: skip
    found: dict[str, Entry] = pickle.loads(done.stdout)  # noqa: S301
    return found


def _made(entries: Iterable[Entry]) -> dict[str, Entry]:
    found = {}
    for name, source in entries:
        if name.endswith(".py") and (body := _compiled(name, source)):
            found[name] = (importlib.util.cache_from_source(name), body)
    return found


def _compiled(name: str, source: bytes) -> bytes | None:
    """The content of a module's compiled file; None for what is no module of this Python: who imports it is told.

    The source is never compared with it: nobody changes it there. The second version of marshal is the last whose bytes
    do not depend on what else a process has in memory.
    """
    try:
        code = compile(source, f"{_LAMBDA_ROOT}/{name}", "exec", dont_inherit=True, optimize=0)
        body = marshal.dumps(code, 2)
    except (SyntaxError, ValueError):  # from 3.14 on also for a module with slices that are constants
        return None
    flags = 0b01  # PEP 552: a hash of the source follows, which is not to be checked
    digest = importlib.util.source_hash(source)
    return importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + digest + body


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(_made(pickle.load(sys.stdin.buffer)), 4))  # noqa: S301
