"""`trigger: every`: what is new under the input since the last period's run, each object in one run.

May import `core` and `run`. Read `taking.py` first, which compares a listing with what was taken before; `pointer.py`
says what was taken by whom, `given.py` what a period's run reads, `frames.py` how long lists of objects are kept, and
`keys.py` where.
"""
