"""files(), dirs(), archives() and jobconf() as methods."""

import os

from mrjob.compat import jobconf_from_env
from mrjob.job import MRJob


class ByMethods(MRJob):
    def files(self):
        return ["stop.txt#not.txt"]

    def dirs(self):
        return ["turning#lib"]

    def archives(self):
        return ["packed.zip#z"]

    def jobconf(self):
        return {**super().jobconf(), "own.word": "yes"}

    def mapper(self, _, line):
        yield (
            sorted({"not.txt", "lib", "z", "stop.txt", "none"} & set(os.listdir("."))),
            jobconf_from_env("own.word"),
        )

    def reducer(self, names, words):
        yield names, next(words)


if __name__ == "__main__":
    ByMethods.run()
