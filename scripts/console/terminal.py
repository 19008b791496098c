"""What the scripts share: lines for a terminal or a pipe, sizes for people, errors as one block.

All that a script prints goes through here, so that no name, counter or error can make a terminal do anything.

A line is a list of (text, style); the style is rich's, and a pipe gets the texts alone. rich is imported for
terminals only: it takes as long as a tenth of a run over a small file.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import select
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from chalicelib.core.errors import SluiceError, UserError
from scripts.projects.where import INSTALLED

from .commands import as_typed
from .lacking import sentence

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Line = list[tuple[str, str]]

INTERRUPTED = 130
BROKEN_PIPE = 141
_INDENT = "  "


class Screen:
    """Standard output: styled on a terminal, plain text without control codes anywhere else."""

    def __init__(self, out: TextIO, *, terminal: bool | None = None) -> None:
        self.out = out
        self.terminal = _is_terminal(out) if terminal is None else terminal
        self._console = _console(out) if self.terminal else None

    @property
    def width(self) -> int:
        return self._console.width if self._console else 0

    def print(self, *lines: Line | str) -> None:
        for line in map(_as_line, lines):
            if self._console:
                self._console.print(_text(line), soft_wrap=True)
            else:
                self.out.write(plain(line) + "\n")
        self.out.flush()

    def write(self, text: str) -> None:
        """JSON and a line end, the same document for whoever parses it: what a terminal might obey is escaped."""
        self.out.write(json_printable(text) + "\n")
        self.out.flush()

    def pass_on(self, data: bytes) -> None:
        """Bytes of somebody's data: as they are to a pipe or a file; on a terminal what it might obey is shown."""
        buffer = getattr(self.out, "buffer", None)
        if self.terminal or buffer is None:
            lines = data.decode(errors="backslashreplace").split("\n")
            self.out.write("\n".join(map(printable, lines)))
        else:
            buffer.write(data)
        self.out.flush()

    @contextmanager
    def live(self) -> Iterator[Callable[[Sequence[Line]], None]]:
        """A function that redraws its lines in place, cut to the screen; they vanish at the end. Terminals only."""
        if self._console is None:
            raise ValueError("a pipe cannot be redrawn: print to it")
        from rich.live import Live

        with Live(
            console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop"
        ) as live:
            yield lambda lines: live.update(_block(lines), refresh=True)


def _is_terminal(out: TextIO) -> bool:
    return out.isatty() and os.environ.get("TERM") != "dumb"


def _as_line(line: Line | str) -> Line:
    return [(line, "")] if isinstance(line, str) else line


def _console(out: TextIO) -> Console:
    from rich.console import Console

    return Console(file=out, force_terminal=True, highlight=False)


def _text(line: Line) -> Text:
    from rich.text import Text

    return Text.assemble(*((printable(text), style) for text, style in line))


def _block(lines: Sequence[Line]) -> Text:
    from rich.text import Text

    block = Text("\n", no_wrap=True, overflow="ellipsis").join(_text(line) for line in lines)
    block.no_wrap, block.overflow = True, "ellipsis"
    return block


def plain(line: Line) -> str:
    return printable("".join(text for text, _ in line)).rstrip()


def printable(text: str) -> str:
    """`text` with control characters (which keys and tracebacks may hold) shown, not obeyed."""
    if text.isprintable():
        return text

    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text)


def json_printable(text: str) -> str:
    """JSON with control characters as `\\u` escapes; JSON itself leaves some as they are."""
    if text.isprintable():
        return text
    import json

    return "".join(c if c.isprintable() or c in " \n" else json.dumps(c)[1:-1] for c in text)


def say(*lines: str, err: bool = False) -> None:
    """Print lines of text to standard output, or to standard error; control characters are shown, line ends too.

    Commands that they name are shown as one calls them here.
    """
    (sys.stderr if err else sys.stdout).write("".join(f"{printable(typed(line))}\n" for line in lines))


def typed(text: str) -> str:
    """A text of ours, with the commands in it as one calls them here; `Screen` shows what it gets, as it is."""
    return as_typed(text, installed=INSTALLED)


class Parser(argparse.ArgumentParser):
    """Of a command line: what is wrong with it is shown like all else, for `*` may stand for anybody's file names.

    With `aws` it has the options that mean the same to all commands that call AWS. Words are completed by argcomplete,
    where a shell was told to ask it (docs/commands.md).
    """

    def __init__(self, *args: Any, aws: bool = False, **options: Any) -> None:
        said = {name: typed(options[name]) for name in ("prog", "description", "epilog") if options.get(name)}
        super().__init__(*args, **{**options, **said})
        self._aws = aws
        if aws:
            group = self.add_argument_group("AWS")
            group.add_argument("--region", metavar="R", help="instead of AWS_REGION or the profile's own")
            group.add_argument(
                "--profile", metavar="P", help="of ~/.aws/config, instead of AWS_PROFILE or keys"
            )

    def parse_args(self, args: Sequence[str] | None = None) -> argparse.Namespace:  # type: ignore[override]
        if "_ARGCOMPLETE" in os.environ:
            _complete(self)
        options = super().parse_args(args)
        if self._aws:
            os.environ.update(_environment(options.region, options.profile))
        return options

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _environment(region: str | None, profile: str | None) -> dict[str, str]:
    """What has boto3, and programs that we start, use them. Keys in the environment would win over a profile."""
    if profile:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            os.environ.pop(name, None)
    found = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_PROFILE": profile}
    return {name: value for name, value in found.items() if value}


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, and end, if argcomplete is installed."""
    try:
        import argcomplete
    except ImportError:
        return
    for action in parser._actions:
        if action.metavar in ("NAME", "JOB"):
            setattr(action, "completer", lambda **_: job_names(Path("jobs")))  # noqa: B010 (argcomplete's own)
    argcomplete.autocomplete(parser)


def job_names(folder: Path) -> list[str]:
    """The jobs in a folder, by the names of their files."""
    return sorted(path.stem for path in folder.glob("*.yml"))


# ---------------------------------------------------------------------------------------------------
# For people


def human_bytes(size: float) -> str:
    """`517 B`, `1.5 MiB`."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        # 1023.95 would be shown as 1024.0: that is the next unit's 1.0.
        if size < 1023.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} PiB"


def human_seconds(seconds: float) -> str:
    """`0.04s`, `2.5s`, `12s`, `3m 05s`, `2h 10m`, `3d 4h`."""
    if seconds < 0.995:
        return f"{seconds:.2f}s"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if hours < 1:
        return f"{minutes}m {whole % 60:02d}s"
    if days < 1:
        return f"{hours}h {minutes % 60:02d}m"
    return f"{days}d {hours % 24}h"


def human_dollars(dollars: float) -> str:
    """`less than $0.0001`, `$0.0012`, `$12.30`."""
    if 0 < dollars < 0.000_1:
        return "less than $0.0001"
    return f"${dollars:,.4f}" if dollars < 1 else f"${dollars:,.2f}"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 object`, `12,345 objects`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def bar(done: int, total: int, width: int = 24, *, terminal: bool) -> Line:
    """A bar of `width` columns; full only when all is done."""
    filled = width if done >= total else width * done // total
    if terminal:
        return [
            ("━" * filled, "green" if done >= total else "cyan"),
            ("━" * (width - filled), "bright_black"),
        ]
    return [("#" * filled + "-" * (width - filled), "")]


# ---------------------------------------------------------------------------------------------------
# Ends


def run_main(main: Callable[[], int], err: TextIO | None = None) -> int:
    """Run `main` and return the exit code. Errors raised on purpose become one block on `err`.

    Anything else is a bug and keeps its traceback.
    """
    if not gc.isenabled():  # see `lacking.py`
        gc.freeze()  # the first collection would look through all that was imported
        gc.enable()
    err = err or sys.stderr
    sys.excepthook = _traceback
    try:
        return main()
    except SluiceError as error:
        err.write(error_block(error))
        return 1
    except ModuleNotFoundError as error:
        if not (told := sentence((error.name or "").partition(".")[0])):
            raise  # a bug, or the user's
        err.write(error_block(UserError(told)))
        return 1
    except KeyboardInterrupt:
        err.write("\ninterrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        if not (_unread(sys.stdout) or _unread(sys.stderr)):
            raise  # it was another pipe, or a connection
        # The reader (`| head`) is gone; without this, Python complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def leave(code: int) -> NoReturn:
    """End this process with an exit code, as `sys.exit` does, without taking down module after module, which takes as
    long as a tenth of a run over a small file.
    """
    if threading.active_count() > 1:  # Python waits for them
        sys.exit(code)
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)  # Python says what there is to be said
    os._exit(code)


def _unread(stream: TextIO) -> bool:
    """Whether the stream is a pipe that nobody reads any more."""
    pipe = select.poll()
    pipe.register(stream.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in pipe.poll(0))


def _traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python itself would print, made printable."""
    lines = "".join(traceback.format_exception(kind, error, trace)).split("\n")
    say(*lines[:-1], err=True)


def error_block(error: Exception) -> str:
    """`error: ...`, further lines indented under it; no control codes."""
    lines = str(error).splitlines() or [type(error).__name__]
    return "".join(
        f"{'error: ' if number == 0 else _INDENT}{printable(typed(line))}\n"
        for number, line in enumerate(lines)
    )
