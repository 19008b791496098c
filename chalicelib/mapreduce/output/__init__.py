"""Results to objects: rows as text, csv or Parquet, compressed, in folders, committed as a part.

May import `core`, `job`, `shuffle` and `input`. Read `part.py` first, then `rows.py`.
"""
