"""Input objects to records: splits, blocks of whole lines, and one module for each kind of format.

May import `core` and `shuffle`. Read `splits.py` first, then `blocks.py` and `records.py`.
"""
