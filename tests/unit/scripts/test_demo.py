"""What the demo drops and how it checks the results; the demo itself needs the emulator."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from chalicelib.core.ports import Loc
from chalicelib.stores.memory import MemoryStore
from scripts.demo import FILE_SIZE, counted_here, report_of, tell_of, total, write_texts
from scripts.status import World
from tests.features.test_report import Page
from tests.unit.scripts.user import OLDER, RUN, User, begin, finish, results, run_keys


def test_the_texts_are_several_files_of_words(tmp_path: Path) -> None:
    files = write_texts(tmp_path / "texts")
    assert len(files) > 1
    assert all(path.stat().st_size >= FILE_SIZE for path in files[:-1])
    assert counted_here(files)["the"] > 100


def test_the_counts_of_all_parts_are_added_up() -> None:
    store = MemoryStore()
    for key, body in {
        "r1/part-00000.tsv": b"a\t1\nb\\\\\t2\n",
        "r2/part-00000.tsv": b"a\t3\n",
        "r1/_SUCCESS": b"",
    }.items():
        store.put(Loc("out", f"wc/{key}"), body)
    assert total(store, Loc("out", "wc/")) == Counter({"a": 4, "b\\": 2})


def test_the_report_is_of_the_last_run_and_says_how_to_open_it(user: User) -> None:
    user.job()
    for run in (OLDER, RUN):
        begin(user.store, run_keys(run), results(run))
        finish(user.store, run_keys(run), results(run))
    world = World(
        root=user.root, environ={}, screen=user.screen(), clock=user.clock,
        open_store=lambda work, runs: user.store,
    )  # fmt: skip
    path = user.root / "new/report.html"
    assert report_of("wordcount", world, path) == RUN
    assert "succeeded" in Page(path.read_text()).shown
    tell_of(path, RUN, user.screen())
    assert f"in a browser: {path.as_uri()}" in user.lines[-1]
