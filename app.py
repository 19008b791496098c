"""What Chalice deploys, and where Lambda finds its four functions: chalicelib/aws/chalice_app.py."""

from pathlib import Path

from chalicelib.aws.chalice_app import chalice_app

app, coordinator, mapper, supervisor, reducer = chalice_app(Path(__file__).resolve().parent)
