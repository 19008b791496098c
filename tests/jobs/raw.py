from pathlib import Path

from chalicelib import Job, Sum


class Raw(Job):
    """mapper_raw gets the path of a whole object, which is not split."""

    def mapper_raw(self, path):
        yield "objects", 1
        yield "bytes", Path(path).stat().st_size

    reducer = Sum()
