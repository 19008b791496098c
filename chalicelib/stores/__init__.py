"""The stores: memory, a folder, S3. Each keeps the contract of `core.ports.Store`, as one test suite shows.

Beside them the local disk, `disk.py`.

May import `core`. Read `base.py` first, then `memory.py`, which is the shortest of the three.
"""
