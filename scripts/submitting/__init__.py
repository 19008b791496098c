"""Submitting files to a job: which are uploaded, uploading them, following the runs; picking up a run."""
