"""The second level of shuffle: run files of some map tasks and some partitions, put together as one run file.

May import `core`, `mapreduce/guard`, `mapreduce/shuffle`, and from `mapreduce/reduce` how slices are read. Read `grid.py` first, then `task.py`.
"""
