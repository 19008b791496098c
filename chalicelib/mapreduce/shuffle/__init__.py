"""Pairs between mapper and reducer: collected, sorted, cut into partitions, spilled, stored as run files, merged.

May import `core`, `aggregators` and `job`. Read `collect.py` first, then `run_file.py` and `merge.py`.
"""
