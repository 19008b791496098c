"""Runs on S3 or in a work folder: where they are, how they stand, and how they are shown."""
