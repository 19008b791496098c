"""Which Sluice this is: part of every run's code digest, see `job.code_digest`."""

VERSION = "0.1.0"
