"""What Python makes of modules, beside them in the zip: a function that starts would else make it anew each time.

Each version of Python makes its own, so this file is also run by the Python that the functions have: it imports nothing
but Python's own modules. Lambda's folder of the code cannot be written to.
"""

from __future__ import annotations

import importlib.util
import json
import marshal
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
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
    modules = {name: (name, source) for name, source in entries if name.endswith(".py")}
    done = subprocess.run(
        [python, "-I", "-S", "-W", "ignore", __file__], input=_as_json(modules), stdout=subprocess.PIPE,
        timeout=_SECONDS, check=True,
    )  # fmt: skip
    return _from_json(done.stdout)


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


def _as_json(entries: Mapping[str, Entry]) -> bytes:
    return json.dumps(
        {key: (name, b64encode(body).decode()) for key, (name, body) in entries.items()}
    ).encode()


def _from_json(text: bytes) -> dict[str, Entry]:
    return {key: (name, b64decode(body)) for key, (name, body) in json.loads(text).items()}


if __name__ == "__main__":
    sys.stdout.buffer.write(_as_json(_made(_from_json(sys.stdin.buffer.read()).values())))
