"""What keeps a task safe from its records: a deadline, where an error came from, bad records set aside.

Beside them `host.py`: how much memory its process has, and whether it is new.

May import `core`, `job`, `shuffle` and `input`. Read `deadline.py` first, then `isolate.py`.
"""
