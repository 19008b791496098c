"""Runs that earlier code began, in runs.json, which make.py made; tests/features/test_begun_before.py ends them."""
