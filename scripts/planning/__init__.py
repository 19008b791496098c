"""What a run would take, shown before it runs: `scripts/plan.py`."""
