from chalicelib import Job
from chalicelib.join import Join


class Named(Join):
    """Users and their visits, those to pages of a side file left out; each kind of record is counted."""

    left, right = "users", "visits"
    how = "outer"

    def mapper_init(self):
        self.left_out = set(self.file("left_out.txt").read_text().split())

    def key(self, tag, record):
        if record[1] in self.left_out:
            self.count("left out")
            return None
        self.count(tag)
        return record[0]

    def value(self, tag, record):
        return record[1], self.input.offset

    def row(self, user, name, visit):
        return user, (name, visit)


class Sampled(Job):
    """By user the names and pages, in their order."""

    sort_values = True

    def mapper(self, user, sides):
        yield user, [side[0] if side else "" for side in sides]

    def reducer(self, user, values):
        self.count("users")
        yield user, list(values)

    def having(self, user, values):
        return user != "nobody"


class Visits(Job):
    steps = (Named, Sampled)
