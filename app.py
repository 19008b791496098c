"""What Chalice deploys, and where Lambda finds its functions: chalicelib/aws/chalice_app.py."""

from pathlib import Path

from chalicelib.aws.chalice_app import chalice_app

ROOT = Path(__file__).resolve().parent
app, coordinator, mapper, supervisor, reducer, scheduler, auditor = chalice_app(ROOT)
