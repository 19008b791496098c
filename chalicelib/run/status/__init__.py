"""How runs stand, read from the store alone, and what they cost.

May import `core`, `job` and `run`. Read `collect.py` first; `fields.py` documents each field that is shown.
"""
