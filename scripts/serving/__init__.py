"""The dashboard: a page on loopback that shows runs as they move, and does what the other commands do.

    browser ──▶ access (this machine, this page, this token?) ──▶ app ──▶ sources, live, facts, actions

What is read and done is read and done by the functions that the commands call: nothing else knows objects of a run.
"""
