"""Deploying a job: `plan`, `policies` decide; `aws`, `chalice_cli`, `project` act; `deploy` composes."""
