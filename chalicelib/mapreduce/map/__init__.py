"""A map task: splits through the user's mapper into a run file, or straight into a part.

May import every other room of `mapreduce` but `reduce` and `sql`. Read `task.py` first.
"""
