"""What a step sees of the steps before it, and what follows it where some are done in rounds.

May import `core`, `job` and `shuffle` of `mapreduce`. Read `results.py` first.
"""
