"""What a step sees of the steps before it.

May import `core`, `job` and `shuffle` of `mapreduce`. Read `results.py` first.
"""
