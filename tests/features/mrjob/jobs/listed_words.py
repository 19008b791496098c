"""What Lambda has to bring along: a folder, a program in FILES, a filter, a setting; and where a task works."""

import os

from chalicelib.mrjob import MRJob, MRStep, jobconf_from_env


class MRListedWords(MRJob):
    DIRS = ["listed"]  # noqa: RUF012 - as mrjob has it
    FILES = ["listed/lower"]  # noqa: RUF012

    def read_list(self):
        assert sorted(os.listdir(".")) == ["listed", "lower"]
        with open("listed/words.txt") as file:
            self.listed = set(file.read().split())

    def words(self, _, line):
        name = os.path.basename(jobconf_from_env("mapreduce.map.input.file"))
        for word in line.split():
            if word in self.listed:
                yield [name, word], 1

    def count(self, key, ones):
        yield key, [sum(ones), os.environ["GREETING"]]

    def steps(self):
        return [
            MRStep(
                mapper_pre_filter="./lower | cat",
                mapper_init=self.read_list,
                mapper=self.words,
                reducer=self.count,
            )
        ]


if __name__ == "__main__":
    MRListedWords.run()
