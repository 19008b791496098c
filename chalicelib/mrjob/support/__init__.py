"""What a job of mrjob's needs that knows nothing of jobs: a command line, a folder of its own, other programs.

May import `core`, `config` and `stores`. Read `surroundings.py` first.
"""
