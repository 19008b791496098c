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
    """Counts the same words again, in a second round, which knows what the first has found."""

    rounds = 3
    rereads = True

    def mapper_init(self):
        self.known = self.run.result(Count) if self.run.round > 1 else {}
        assert len(self.run.steps) == self.run.round

    def mapper(self, key, value):
        assert (type(key), value) == (tuple, b"\xff")
        split = self.run.steps[0]
        assert (self.run.inputs, self.run.records) == (1, 6000)
        assert split.records_out == split.counters["words"] > 6000
        assert sum(self.known.values()) in (0, split.records_out)
        yield key[0], 1

    reducer = Sum()

    def converged(self):
        return self.run.round == 2 and sum(self.run.result(Count).values()) == self.run.steps[0].records_out


class Tiers(Job):
    """The twenty most frequent words in three steps: split, count (twice), put in order."""

    steps = (Split, Count)
    order_by = "-value"
    limit = 20


class Relay(Job):
    """Reads what Tiers gives; an identity without a mapper, and reduced by one function."""

    reducer = Sum()
    order_by = "key"
