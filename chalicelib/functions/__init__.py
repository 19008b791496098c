"""The Lambda functions of `app.py`: coordinator, mapper, supervisor, reducer. Newcomers begin here.

May import `run`, `mapreduce` and all below them, and know the world by its ports alone. Read `coordinator.py` first,
then `mapper.py`, `supervisor.py` and `reducer.py`, in the order in which a run meets them. Clocks start two more, of
jobs that ask for them: `scheduler.py` begins runs over what is new, `auditing/auditor.py` those that were lost. The
room `attempt` has what mapper and reducer share, `supervision` what a supervisor does while it waits.
"""
