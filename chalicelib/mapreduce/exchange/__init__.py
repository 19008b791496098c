"""The second level of shuffle: run files of some map tasks and some partitions, put together as one run file.

May import `core`, and `guard` and `shuffle` of `mapreduce`. Read `grid.py` first, then `task.py`.
"""
