"""Which Sluice this is: part of every run's code digest."""

VERSION = "0.1.0"
