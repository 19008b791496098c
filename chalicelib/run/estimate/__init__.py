"""What a run is going to take, before it runs: time, requests, dollars, and the limit that binds. Arithmetic alone.

May import `core`, `mapreduce.shuffle`, `run` and `run.status`. Read `estimate.py` first; `figures.py` has every number
that is assumed, with its source, `work.py` what is asked for, `shape.py` tasks and requests, `timeline.py` the phases,
`supervision.py` what a supervisor bears, `limits.py` what a run meets, `advice.py` which settings would be better.
"""
