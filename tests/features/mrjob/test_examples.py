"""The examples of mrjob's documentation give what plain Python gives, in mrjob's format and order."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from .harness import JOBS, RUNNERS, TEXT, run

from most_used_word import MRMostUsedWord  # isort: skip
from next_word_stats import MRNextWordStats  # isort: skip
from small import MRInitJob  # isort: skip
from word_freq_count import MRWordFreqCount  # isort: skip

WORDS = [re.findall(r"[\w']+", line.decode().lower()) for line in TEXT]
COUNTS = Counter(word for line in WORDS for word in line)


def as_mrjob_writes(pairs: dict[str, object]) -> bytes:
    """Lines of JSON, sorted by the bytes of the key's JSON."""
    lines = {json.dumps(key).encode(): json.dumps(value).encode() for key, value in pairs.items()}
    return b"".join(b"%s\t%s\n" % item for item in sorted(lines.items()))


@pytest.mark.parametrize("runner", RUNNERS)
def test_word_frequencies(runner: str) -> None:
    result = run(MRWordFreqCount, runner=runner)
    assert dict(result.pairs) == COUNTS
    assert result.output == as_mrjob_writes(dict(COUNTS))
    assert b'"na\\u00efve"\t1' in result.lines


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_most_used_word_takes_two_steps_and_a_side_file(runner: str) -> None:
    stop = set((JOBS / "stop_words.txt").read_text().split())
    best = max((count, word) for word, count in COUNTS.items() if word not in stop)[1]
    result = run(MRMostUsedWord, runner=runner)
    assert result.pairs == [(None, best)]
    assert result.output == json.dumps(best).encode() + b"\n"


def test_the_most_used_word_of_nothing_is_none() -> None:
    assert run(MRMostUsedWord, stdin=[b"the of\n"]).output == b""


@pytest.mark.parametrize("runner", RUNNERS)
def test_another_file_of_stop_words(runner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "others.txt").write_text("fox\nthe\n")
    monkeypatch.chdir(tmp_path)
    best = max((count, word) for word, count in COUNTS.items() if word not in ("fox", "the"))[1]
    assert run(MRMostUsedWord, "--stop-words-file", "others.txt", runner=runner).pairs == [(None, best)]
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("runner", RUNNERS)
def test_next_words_need_sorted_values(runner: str) -> None:
    pairs = Counter(pair for line in WORDS for pair in pairwise(line))
    totals = Counter(word for line in WORDS for word in line[:-1])
    expected = [
        ([before, word], [totals[before], count, 100.0 * count / totals[before]])
        for (before, word), count in pairs.items()
    ]
    found = run(MRNextWordStats, runner=runner).pairs
    assert sorted(found) == sorted(expected)
    assert [key[0] for key, _ in found] == sorted((key[0] for key, _ in expected), key=json.dumps)


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_inits_are_called_as_mrjob_s_own_documentation_tests_it(runner: str) -> None:
    inputs = 2
    result = run(MRInitJob, "--no-conf", "-", stdin=[b"x\n"] * inputs, runner=runner)
    assert result.pairs == [(None, inputs * 10 * 10 * 2)]
