"""`scripts` in the wheel: a package with a file of its own, so that no other folder of that name is taken for it."""
