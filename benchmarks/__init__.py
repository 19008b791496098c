"""How fast Sluice is, and in how much memory, beside other ways to do the same work.

`python -m benchmarks --help` lists what can be measured; docs/performance.md explains and holds figures.
"""
