"""A deployment written down for other people's pipelines, made of its steps. Read `contents.py` first."""
