"""The second level of shuffle: run files of some map tasks and some partitions, put together as one run file.

May import `core`, `guard` and `shuffle` of `mapreduce`, slices of its `reduce`. Read `grid.py` first, then `task.py`.
"""
