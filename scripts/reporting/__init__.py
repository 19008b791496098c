"""The report of a run: one page for people, or a trace for other programs.

`gather.py` reads everything, once. `columns.py`, `at_once.py`, `bars.py`, `slow.py`, `spent.py` and `settings.py` make
figures of it; `sections.py` and `page.py` make a page, `trace.py` a trace. `page/` has what is shipped inside the page.
"""
