"""The four Lambda functions of `app.py`: coordinator, mapper, supervisor, reducer. Newcomers begin here.

May import `run`, `mapreduce` and all below them, and know the world by its ports alone. Read `coordinator.py` first,
then `mapper.py`, `supervisor.py` and `reducer.py`, in the order in which a run meets them. What mapper and reducer
share: `attempt.py` serves a call, `pieces.py` has the life of an attempt that may run out of time, and
`commit_marker.py` ends it. A supervisor sees with `phase_watch.py`, keeps time with `pacing.py` and moves the run on
with `advance.py`.
"""
