"""A protocol of one's own, and methods instead of attributes."""

import json

from mrjob.job import MRJob


class Semicolons:
    def read(self, line):
        name, figures = line.decode().split(";", 1)
        return name, json.loads(figures)

    def write(self, key, value):
        return (key + ";" + json.dumps(value)).encode()


class OwnProtocol(MRJob):
    def output_protocol(self):
        return Semicolons()

    def mapper(self, _, line):
        for word in line.split():
            yield word, len(word)

    def reducer(self, word, lengths):
        yield word, list(lengths)


if __name__ == "__main__":
    OwnProtocol.run()
