"""What keeps a task safe from its records: a deadline, where an error came from, bad records set aside.

May import `core`, `job`, `shuffle` and `input`. Read `deadline.py` first, then `isolate.py`.
"""
