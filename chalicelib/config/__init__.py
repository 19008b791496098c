"""A job's YAML, the environment and `--set`, read into a checked `JobSpec`, each value with where it came from.

May import `core`. Read `load.py` first; `core/spec.py` has every key and its default.
"""
