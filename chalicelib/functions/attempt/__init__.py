"""One attempt at a map or reduce task, from the call that starts it to the marker that commits it.

May import `run`, `mapreduce` and all below them. Read `serve.py` first (a call is served, a failure written down), then
`pieces.py` (the life of an attempt that may run out of time) and `commit_marker.py` (how it ends).
"""
