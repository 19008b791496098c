import time
from pathlib import Path

from chalicelib import Job


class Sleeps(Job):
    """Says that it has begun, then takes very long."""

    def mapper(self, _, line):
        Path(self.params["mark"]).touch()
        time.sleep(600)
        yield line, 1
