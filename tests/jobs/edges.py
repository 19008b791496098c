from chalicelib import Job


class Edges(Job):
    """init and final see all of a task, keep state between records, and may yield pairs."""

    def mapper_init(self):
        self.lines = 0
        yield "(begun)", 0

    def mapper(self, _, line):
        self.lines += 1
        return ()

    def mapper_final(self):
        yield "lines", self.lines

    def reducer_init(self):
        self.groups = 0
        yield "init", "first"

    def reducer(self, key, values):
        self.groups += 1
        yield key, sum(values)

    def reducer_final(self):
        yield "groups", self.groups
