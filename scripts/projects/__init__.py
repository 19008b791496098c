"""The projects that jobs live in: where one is, and how a new one is made. Read `where.py` first."""
