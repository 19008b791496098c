"""What runs have cost, and what would make them cheaper.

Read `read.py` first: it prices each run once, from what is left of it. `history.py` adds runs up by day and job,
`advice.py` turns what the newest ones told (`told.py`) into settings that pay, `reconcile.py` compares
with what Lambda says it bills, and `show.py` shows all of it.
"""
