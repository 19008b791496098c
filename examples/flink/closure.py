from chalicelib import Job


class Edges(Job):
    """Each edge once, as a path."""

    def mapper(self, _, edge):
        one, other = map(int, edge)
        yield (one, other), None

    def reducer(self, path, _):
        yield path, None


class Longer(Job):
    """Every two paths that meet are one more; those that are there stay."""

    def mapper(self, path, _):
        yield path[1], ("to", path[0])
        yield path[0], ("from", path[1])

    def reducer(self, node, ends):
        found = list(ends)
        before = [end for way, end in found if way == "to"]
        behind = [end for way, end in found if way == "from"]
        for start in before:
            yield (start, node), None
            for end in behind:
                yield (start, end), None


class Once(Job):
    """Each path once."""

    def reducer(self, path, _):
        yield path, None


class Closure(Job):
    """From where to where one gets, by any number of edges, in so many rounds that each doubles the paths' length."""

    def steps(self):
        return [Edges, *[Longer, Once] * self.params["rounds"], Ends]


class Ends(Job):
    """The paths without what they held."""

    shuffle = False

    def mapper(self, path, _):
        yield path
