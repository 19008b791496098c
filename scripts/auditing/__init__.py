"""Comparing what would start runs with the runs there are, and making up for what was lost."""
