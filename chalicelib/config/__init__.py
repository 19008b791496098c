"""A job's YAML, the environment and `--set`, read into a checked `JobSpec` that knows where each value came from.

May import `core`. Read `load.py` first; `core/spec.py` has every key and its default.
"""
