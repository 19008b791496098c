import os
from pathlib import Path

from chalicelib import Job, Sum


class Dies(Job):
    """Its process is killed in the mapper, as when memory runs out: `times` times, then never again."""

    def mapper(self, _, line):
        marks = Path(self.params["marks"])
        if "DIE" in line and len(list(marks.iterdir())) < self.params["times"]:
            (marks / str(os.getpid())).touch()
            os._exit(9)
        for word in line.split():
            yield word, 1

    reducer = Sum()
