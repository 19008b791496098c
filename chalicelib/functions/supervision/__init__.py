"""What a supervisor does while it waits: it watches a phase, keeps time, and moves the run on.

May import `run`, `mapreduce` and all below them. Read `phase_watch.py` first (what is done, lost or slow), then
`advance.py` (what follows) and `pacing.py` (when to look again, renew or hand over).
"""
