"""Try a job in memory, in milliseconds, for users' own tests.

    from chalicelib.testing import run_job
    from jobs.wordcount import WordCount

    def test_words_are_counted():
        assert run_job(WordCount, ["a b", "b"]) == [("a", 1), ("b", 2)]

It is the engine's own map and reduce work, over a store in memory: what it accepts and refuses, and the order
of what comes out, are those of every engine.

May import the rooms below it. Read `trial.py` first.
"""

from .records import Object
from .trial import Totals, run_job

__all__ = ["Object", "Totals", "run_job"]
