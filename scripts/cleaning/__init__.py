"""Cleaning up: the work objects of runs that ended, and uploads that nobody will finish."""
