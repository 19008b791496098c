"""Variables of the environment that the command line sets."""

import os

from mrjob.job import MRJob


class Variables(MRJob):
    def mapper(self, _, line):
        yield (
            "mapper",
            [os.environ["GREETING"], os.environ.get("EMPTY"), os.environ["OWN_PATH"].split(":")[0]],
        )

    def reducer(self, key, values):
        yield key, [next(values), os.environ["GREETING"]]


if __name__ == "__main__":
    Variables.run()
