"""What a user writes, made ready to run: a class, its steps, its partitioner, its side files.

May import `core` and `aggregators`. Read `job.py` first (the class that users derive from), then `binding.py`.
"""
