"""Jobs in SQL: DuckDB runs a map query and a reduce query inside the same map and reduce tasks.

May import `core`, `shuffle`, `input` and `guard`. Imported only for such jobs. Read `map.py` first, then `reduce.py`.
"""
