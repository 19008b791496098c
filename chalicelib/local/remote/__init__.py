"""Runs of this machine over objects on S3: what they read there, and results that go there.

May import `core`, `stores` and `config`. Read `mixed_store.py` first.
"""
