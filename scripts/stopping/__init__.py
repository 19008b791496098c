"""Stopping a run: who does, what is said of it. What it takes is in `chalicelib/functions/stop.py`."""
