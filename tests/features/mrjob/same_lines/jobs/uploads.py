"""What lies in a task's working folder: FILES, DIRS and ARCHIVES, and what options add."""

import os

from mrjob.job import MRJob


class Uploads(MRJob):
    FILES = ["stop.txt", "turning/text.py#code.txt"]
    DIRS = ["turning"]
    ARCHIVES = ["packed.tar.gz", "packed.zip#zipped"]

    #: What mrjob's runners put there for themselves.
    RUNNER_S = ("uploads.py", "mrjob.zip", "setup-wrapper.sh")

    def mapper(self, _, line):
        pass

    def mapper_final(self):
        for folder, _, names in os.walk(".", followlinks=True):
            if "__pycache__" not in folder:
                for name in set(names) - set(self.RUNNER_S):
                    path = os.path.join(folder, name)
                    yield path, os.path.getsize(path)

    def reducer(self, path, sizes):
        yield path, next(sizes)


if __name__ == "__main__":
    Uploads.run()
