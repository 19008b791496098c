"""Deploying a job: what is to be, what is there, the steps between, doing them. Read `deploy.py` first."""
