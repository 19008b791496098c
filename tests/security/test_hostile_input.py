"""Names and records made to harm whoever looks at them, and messages made to go on for ever."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import CorruptData, SluiceError
from chalicelib.core.messages import to_payload
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.core.tasks import TaskCall
from chalicelib.run.calls import MAX_HOPS
from scripts import quarantine, status
from scripts.console import terminal
from tests.worlds.simulation import HANDLERS, Simulation, spec

#: Clears the screen, sets the window's title, rings, and goes back over the line.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202egnp.exe"


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        if "poison" in line:
            raise ValueError(line)
        yield line, 1

    reducer = Sum()


@pytest.mark.parametrize("on_terminal", [False, True])
def test_scripts_show_control_characters_and_do_not_obey_them(on_terminal: bool, tmp_path: Path) -> None:
    bad = BadRecordsSpec(policy="quarantine", max_fraction=1.0)
    simulation = Simulation(Words, spec(bad_records=bad), tmp_path)
    simulation.drop(f"a{HOSTILE}.txt", f"poison {HOSTILE}\n".encode())
    simulation.run()
    out = io.StringIO()
    world = status.World(
        root=tmp_path,
        environ={},
        screen=terminal.Screen(out, terminal=on_terminal),
        clock=simulation,
        open_store=lambda work, runs: simulation.memory,
    )
    assert quarantine.main(["job", "latest", "--work", "s3://work/"], world) == 0
    assert status.main(["job", "latest", "--work", "s3://work/"], world) == 0
    shown = out.getvalue()
    assert r"poison \x1b[2J\x1b]0;owned\x07" in shown
    assert not any(bad in shown for bad in ("\x1b[2J", "\x1b]0", "\x07", "\x9b", "\r", "\u202e"))


def test_an_error_s_text_is_shown_in_the_same_way() -> None:
    block = terminal.error_block(SluiceError(HOSTILE))
    assert block.startswith("error: ")
    assert all(character.isprintable() or character == "\n" for character in block)


@pytest.mark.parametrize("function", ["mapper", "reducer"])
def test_a_chain_of_invocations_that_does_not_end_is_ended(function: str, tmp_path: Path) -> None:
    simulation = Simulation(Words, spec(), tmp_path, retries=0)
    call = TaskCall(bucket="work", prefix="", job="job", run="r", lo=0, hi=1000, hop=MAX_HOPS + 1)
    simulation.deliver(function, to_payload(call))
    simulation.run()
    (error,) = simulation.errors
    assert "this must be a loop" in str(error)
    assert [name for name, _ in simulation.delivered] == [function], "it started nothing"


@pytest.mark.parametrize("function", HANDLERS)
def test_a_made_up_event_starts_nothing_and_leaves_a_note_at_most(function: str, tmp_path: Path) -> None:
    simulation = Simulation(Words, spec(), tmp_path, retries=0)
    for payload in (
        {"bucket": "work", "prefix": "../", "job": "job", "run": "../../x", "lo": 0, "hi": 1},
        {"bucket": "work", "prefix": "", "job": "job", "run": "r", "lo": 5, "hi": 1},
        {"Records": [{"s3": {"bucket": {"name": "work"}, "object": {"key": "runs/job/r/plan.done"}}}]},
        {"Records": [{"s3": {"bucket": {"name": "work"}, "object": {"key": "../../plan.done"}}}]},
        {"__class__": "os.system", "args": ["true"]},
    ):
        simulation.deliver(function, payload)
    simulation.run()
    assert all(isinstance(error, SluiceError | CorruptData) for error in simulation.errors), simulation.errors
    assert {name for name, _ in simulation.delivered} == {function}
    notes = (".failed", "/reduce/lease")
    assert [name for name in simulation.names() if not name.endswith(notes)] == [], (
        "no plan, no task, no result"
    )
