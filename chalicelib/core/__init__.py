"""What every room speaks: errors, ports, object keys, configuration, messages, and the encoding of columns.

May import nothing of Sluice but itself. Read `ports.py` first (what is asked of the world), then `plan.py` and
`tasks.py` (what is stored and sent), and `keys.py` (where it lies).
"""
