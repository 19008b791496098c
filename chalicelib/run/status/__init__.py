"""How runs stand, read from the store alone, and what they cost.

May import `core`, `job` and `run`. Read `collect.py` first, then `cases.py`, which has a constructor for each case;
`fields.py` documents each field that is shown, `attempts.py` has every attempt of a run, `price_list.py` the price
of everything that AWS bills, and `prices.py` what a run costs by it.
"""
