"""Jobs in SQL: DuckDB runs a map query and a reduce query inside the same map and reduce tasks.

Only jobs in SQL import anything from here, and only `database` imports duckdb.
"""
