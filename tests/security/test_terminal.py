"""No script lets anybody's text act on the terminal: all print through one module, which shows what it may not obey."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.console import terminal

ROOT = Path(__file__).resolve().parents[2]
#: Clears the screen, sets the window's title, rings, and goes back over the line; once more as C1; turns text around.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202egnp.exe"
COMMANDS = sorted(path.name for path in (ROOT / "scripts").glob("*.py") if path.name != "__init__.py")
#: Prints nothing but through a Screen, and takes no arguments.
WITHOUT_ARGUMENTS = {"demo.py"}
#: What a command asks for before it looks at the rest.
REQUIRED = {"plan.py": ("--size=1GB",)}
#: Runs beside pip-tools alone, on names that `make pins` gives it.
BY_ITSELF = {"pin.py"}


def sources() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted((ROOT / "scripts").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            yield path.relative_to(ROOT).as_posix(), node


#: The one module that prints; a tool for maintainers; and a program that a deployment starts, and hears from by a pipe.
TALKING = {"scripts/console/terminal.py", "scripts/pin.py", "scripts/deployment/compiled.py"}


def test_nothing_is_printed_but_by_one_module() -> None:
    found = []
    for name, node in sources():
        if name in TALKING or not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called == "print" or called in (
            "sys.stdout.write",
            "sys.stderr.write",
            "out.write",
            "self.out.write",
        ):
            found.append(f"{name}:{node.lineno}: {called}")
        if called.endswith(("ArgumentParser", "stdout.buffer.write")):
            found.append(f"{name}:{node.lineno}: {called}")
    assert found == []


def test_consoles_are_for_bars_only() -> None:
    """Who makes a rich Console of its own prints past that module; a bar's texts are fixed or a job's checked name."""
    made = {
        name for name, node in sources() if isinstance(node, ast.Call) and ast.unparse(node.func) == "Console"
    }
    assert made == {"scripts/console/terminal.py", "scripts/console/bars.py"}


def run(*argv: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *argv],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **environ},
        capture_output=True,
        check=False,
    )


def shown(found: subprocess.CompletedProcess[bytes]) -> str:
    """What it printed; only printable characters and line ends."""
    text = (found.stdout + found.stderr).decode()
    odd = {character for character in text if not (character.isprintable() or character == "\n")}
    assert odd == set(), text
    return text


@pytest.mark.parametrize("command", sorted({*COMMANDS} - WITHOUT_ARGUMENTS - BY_ITSELF))
def test_an_argument_is_shown_and_not_obeyed(command: str) -> None:
    """As `*` may give it, for it stands for names that anybody chose."""
    found = run(f"scripts/{command}", *REQUIRED.get(command, ()), HOSTILE, HOSTILE, f"--{HOSTILE}")
    assert found.returncode == 2
    assert r"\x1b[2J" in shown(found)


JOB = """
from chalicelib import Job, Sum


class Hostile(Job):
    def mapper(self, _, line):
        self.count(line, 1)
        if "boom" in line:
            raise ValueError(line)
        yield line, 1

    reducer = Sum()
"""
YAML = """
job: hostile:Hostile
input: {url: s3://in-bucket/}
work: {url: s3://work-bucket/}
output: {url: s3://out-bucket/}
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "hostile.py").write_text(JOB)
    (tmp_path / "hostile.yml").write_text(YAML)
    (tmp_path / f"in{HOSTILE}").mkdir()
    return tmp_path


def given(job: Path, text: str) -> Path:
    path = job / f"in{HOSTILE}" / "a.txt"
    path.write_text(text)
    return path


def test_a_run_shows_counters_and_names(job: Path) -> None:
    path = given(job, HOSTILE.replace("\r", "") + "\n")
    output = job / f"out{HOSTILE}"
    found = run("scripts/run.py", str(job / "hostile.yml"), str(path), "--output", str(output))
    text = shown(found)
    assert found.returncode == 0, text
    assert r"  \x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe: 1" in text
    assert r"out\x1b[2J" in text


def test_a_run_shows_what_a_record_was_bad_for(job: Path) -> None:
    path = given(job, "boom" + HOSTILE + "\n")
    for more in ((), ("--set", "bad_records.policy=quarantine")):
        found = run(
            "scripts/run.py",
            str(job / "hostile.yml"),
            str(path),
            "--output",
            str(job / "out"),
            "--force",
            *more,
        )
        assert found.returncode == 1
        assert (r"\x1b[2J" in shown(found)) == (not more), "a list of many names its files only"


def test_a_file_s_settings_and_mistakes_are_shown(job: Path) -> None:
    (job / "hostile.yml").write_text(YAML + 'params: {title: "\\e[2J\\e]0;owned\\a"}\n')
    found = run("scripts/run.py", str(job / "hostile.yml"), "--print-config")
    assert found.returncode == 0
    assert r'title: "\e[2J' in shown(found)
    (job / "hostile.yml").write_text(YAML + '"odd\\e[2J": 1\n')
    found = run("scripts/run.py", str(job / "hostile.yml"), "--print-config")
    assert found.returncode == 1
    assert r"\x1b[2J" in shown(found)


def test_a_bug_s_traceback_is_shown_in_the_same_way() -> None:
    code = (
        "from scripts.console.terminal import run_main\n"
        f"def main(): raise ZeroDivisionError({HOSTILE!r})\n"
        "run_main(main)"
    )
    found = run("-c", code)
    assert found.returncode == 1
    assert r"ZeroDivisionError: \x1b[2J" in shown(found)


def test_json_is_the_same_document_without_them() -> None:
    text = json.dumps({HOSTILE: ["\x7f\x85\U000e0001", "é ☃ 😀"]}, ensure_ascii=False, indent=2)
    printed = terminal.json_printable(text)
    assert json.loads(printed) == json.loads(text)
    assert all(character.isprintable() or character == "\n" for character in printed)
    assert "é ☃ 😀" in printed


def test_a_line_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A name with a line end cannot look like a line of ours."""
    terminal.say("counted: a\nerror: none", "next")
    assert capsys.readouterr().out == "counted: a\\nerror: none\nnext\n"
