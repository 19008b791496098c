"""The work of one task: read, map, sort, spill, merge, reduce, write. No protocol: no markers, leases or retries.

Rooms, from the ground up: `shuffle`, `input`, `guard` and `output`, then `map`, `reduce` and `sql`. They may import
`core`, `aggregators`, `job` and the rooms below them. Read `map/task.py` first, then `reduce/task.py`.
"""
