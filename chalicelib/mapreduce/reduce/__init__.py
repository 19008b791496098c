"""A reduce task: slices of run files, merged, through the user's reducer into a part.

May import every other room of `mapreduce` but `map` and `sql`. Read `task.py` first.
"""
