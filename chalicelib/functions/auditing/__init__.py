"""What became of everything that starts runs, and making up for what was lost: `audit.py`, by hand and by the clock.

May import `functions` and all below it. Read `examine.py` first, which compares what starts runs with the runs there
are; `judge.py` says what became of one, `mend.py` starts or resumes what is amiss, `auditor.py` does that by itself.
"""
