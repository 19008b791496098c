"""What a supervisor does: it watches a phase, keeps time, moves the run on, and stays or leaves.

May import `attempt`, `run`, `mapreduce` and all below them. Read `phase_watch.py` first (what is done, lost or slow),
then `next_phase.py` and `advance.py` (what follows) and `pacing.py` (when to look again, renew or hand over).
"""
