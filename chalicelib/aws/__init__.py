"""Sluice on AWS Lambda: the composition root of a function's process, and the invoker.

May import every room below `functions`. Read `function.py` first.
"""
