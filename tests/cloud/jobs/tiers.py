from chalicelib import Job, Sum


class Lines:
    """A reader of its own: the lines of a text, wherever it is cut."""

    def sync(self, stream):
        if stream.tell():
            stream.seek(-1, 1)
            stream.readline()

    def read(self, stream):
        for line in stream:
            yield line.decode()


class Split(Job):
    """Map-only: each word with what it is in, types and all."""

    shuffle = False

    def mapper(self, _, line):
        for word in line.split():
            self.count("words")
            yield (word, len(word)), b"\xff"


class Count(Job):
    def mapper(self, key, value):
        assert (type(key), value) == (tuple, b"\xff")
        (split,) = self.run.steps
        assert (self.run.inputs, self.run.records) == (1, 6000)
        assert split.records_out == split.counters["words"] > 6000
        yield key[0], 1

    reducer = Sum()
    order_by = "-value"
    limit = 20


class Tiers(Job):
    """The twenty most frequent words in three steps: split, count, put in order."""

    steps = (Split, Count)


class Relay(Job):
    """Reads what Tiers gives; an identity without a mapper, and reduced by one function."""

    reducer = Sum()
    order_by = "key"
