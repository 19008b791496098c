"""What the demo drops and how it checks the results; the demo itself needs the emulator."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from chalicelib.core.ports import Loc
from chalicelib.stores.memory import MemoryStore
from scripts.demo import FILE_SIZE, counted_here, total, write_texts


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
