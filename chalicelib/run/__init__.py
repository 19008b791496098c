"""A run as a whole: plan, tree of calls, progress, stragglers, lease, the shuffle's index, verdict and totals.

May import `mapreduce` and all below it. Read `plan_step.py` first, then `progress.py`, `stragglers.py`,
`reduce_plan.py` and `verdict.py`. Everything a run knows is in the store, so each of these can be done again
after a crash.
"""
