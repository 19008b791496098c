"""Jobs written for mrjob, run by mrjob 0.7.4 and here with only the import lines changed: the same lines.

Read `cases.py` first. `lines.json` is what mrjob wrote, by `make mrjob-lines`.
"""
